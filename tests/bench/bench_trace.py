"""`lab trace` against tshark on one capture file: time, processor time and memory of each whole process.

Each has its turn several times, one after the other, and its best counts: of a machine that others use too, processor
time (user and system) tells more than the clock.

The mix, by packets, of 200 connections side by side and what runs beside them: 42 % segments of 1,448 bytes, 12 % of 20
to 600 bytes, 38 % acknowledgements alone, 5 % UDP, 2 % ARP, 1 % IPv6 TCP; 0.5 % of the segments are sent twice. Both
verify every checksum and analyse every segment; what they find must agree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.trace.pcap import write

LAB = [str(Path(sys.executable).with_name("lab"))]
FIELDS = (
    *("frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ip.checksum.status", "tcp.srcport", "tcp.dstport"),
    *("tcp.stream", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.flags", "tcp.checksum.status", "tcp.completeness"),
    *("tcp.analysis.retransmission", "tcp.analysis.out_of_order", "tcp.analysis.lost_segment"),
    *("tcp.analysis.duplicate_ack", "tcp.analysis.zero_window", "tcp.analysis.keep_alive", "udp.checksum.status"),
)
CHECKED = ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum")
CONNECTIONS, STEP = 200, 20_000  # ns between two packets
SYN, FIN, PSH, ACK = 2, 1, 8, 16


def folded(data: bytes) -> int:
    value = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return 0xFFFF - value % 0xFFFF if value % 0xFFFF else 0


def ip4(src: bytes, dst: bytes, protocol: int, ident: int, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), ident & 0xFFFF, 0x4000, 64, protocol, 0, src, dst)
    return head[:10] + folded(head).to_bytes(2, "big") + head[12:] + body


def summed(src: bytes, dst: bytes, protocol: int, body: bytes, at: int) -> bytes:
    pseudo = src + dst + struct.pack("!II", len(body), protocol)
    return body[:at] + folded(pseudo + body).to_bytes(2, "big") + body[at + 2 :]


@dataclass
class Connection:
    """A connection whose client asks and whose server answers at length."""

    number: int
    client: bytes
    server: bytes
    seqs: list[int]
    ident: int = 0

    def segment(self, side: int, flags: int, payload: bytes = b"", *, again: bool = False) -> bytes:
        ports = (20_000 + self.number, 7000)
        src, dst = (self.client, self.server) if side == 0 else (self.server, self.client)
        seq = self.seqs[side] - (len(payload) if again else 0)
        ack = self.seqs[1 - side] if flags & ACK else 0
        head = struct.pack("!HHIIBBHHH", *(ports if side == 0 else ports[::-1]), seq, ack, 0x50, flags, 64240, 0, 0)
        if not again:
            self.seqs[side] += len(payload) + (flags & (SYN | FIN) != 0)
        self.ident += 1
        body = summed(src, dst, 6, head + payload, 16)
        macs = b"\2\0\0\0\2\0\2\0\0\0\1\0" if side == 0 else b"\2\0\0\0\1\0\2\0\0\0\2\0"
        if len(src) == 16:
            return macs + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 6, 64) + src + dst + body
        return macs + b"\x08\x00" + ip4(src, dst, 6, self.ident, body)


def mix(size: int, seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """Frames of the mix, each (time in ns, bytes), until the file has so many bytes."""
    chance, now, written = random.Random(seed), 1_700_000_000 * 10**9, 24
    talks = []
    for number in range(CONNECTIONS):
        ends = (bytes([10, 0, 1, 2 + number]), bytes([10, 0, 2, 80]))
        if number % 50 == 0:
            ends = (bytes.fromhex("fd000001") + bytes(11) + bytes([2 + number]), bytes.fromhex("fd000002") + bytes(12))
        talks.append(Connection(number, *ends, [chance.randrange(2**31) for _ in range(2)]))
    noise = chance.randbytes(4096)
    ready = [frame for talk in talks for frame in (talk.segment(0, SYN), talk.segment(1, SYN | ACK),
                                                   talk.segment(0, ACK))]  # fmt: skip
    asked = bytes(40)
    while written < size:
        talk, kind = chance.choice(talks), chance.random()
        if kind < 0.80:
            start = chance.randrange(2048)
            first, second = noise[start : start + 1448], noise[start + 1 : start + 1449]
            ready += [talk.segment(1, ACK, first), talk.segment(1, ACK | PSH, second), talk.segment(0, ACK)]
            if chance.random() < 0.012:
                ready += [talk.segment(1, ACK | PSH, second, again=True)]
            ready += [talk.segment(0, ACK)] if chance.random() < 0.2 else []
        elif kind < 0.93:
            small = noise[: chance.randrange(20, 600)]
            ready += [talk.segment(0, ACK | PSH, small), talk.segment(1, ACK), talk.segment(1, ACK | PSH, small[:300]),
                      talk.segment(0, ACK)]  # fmt: skip
        elif kind < 0.98:
            head = struct.pack("!HHHH", 40_000, 53, 8 + len(asked), 0)
            for src, dst in ((talks[1].client, talks[1].server), (talks[1].server, talks[1].client)):
                body = summed(src, dst, 17, head + asked, 6)  # 0 would mean none, and no datagram here has that sum
                ready.append(b"\2\0\0\0\2\0\2\0\0\0\1\0\x08\x00" + ip4(src, dst, 17, written, body))
        else:
            arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, bytes(6), talks[1].client, bytes(6), b"\n\0\1\1")
            ready.append(b"\xff" * 6 + b"\2\0\0\0\1\0\x08\x06" + arp)
        for frame in ready:
            now += STEP
            written += 16 + len(frame)
            yield now, frame
        ready = []
    for talk in talks:
        for side, flags in ((0, FIN | ACK), (1, FIN | ACK), (0, ACK)):
            now += STEP
            yield now, talk.segment(side, flags)


@dataclass
class Took:
    """What a whole process took: seconds, seconds of processor, and MiB at its peak."""

    wall: float
    cpu: float
    peak: float


def took(command: list[str], out: Path) -> Took:
    started = time.perf_counter()
    with out.open("wb") as stream:
        child = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command[0]} ended with {child.returncode}")
    return Took(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def best(turns: tuple[Took, ...]) -> Took:
    """The shortest of each time, and the highest peak."""
    return Took(min(each.wall for each in turns), min(each.cpu for each in turns), max(each.peak for each in turns))


def agreed(theirs: Path, ours: Path) -> str:
    """What both found, in a line; ends the benchmark where they differ."""
    streams: set[str] = set()
    repeated = packets = 0
    for packets, line in enumerate(theirs.open(), 1):
        found = dict(zip(FIELDS, line.rstrip("\n").split("\t"), strict=True))
        streams.add(found["tcp.stream"])
        repeated += bool(found["tcp.analysis.retransmission"])
        wrong = [name for name in FIELDS if name.endswith("checksum.status") and found[name] not in ("", "1")]
        if wrong:
            raise SystemExit(f"frame {packets} has a wrong checksum: {wrong}")
    talks = json.loads(ours.read_text())
    mine = sum(talk["retransmissions"] for talk in talks)
    if (len(talks), mine) != (len(streams - {""}), repeated):
        raise SystemExit(f"tshark: {len(streams - {''})} connections, {repeated} repeated; lab: {len(talks)}, {mine}")
    return f"{packets} packets, {len(talks)} connections, {repeated} segments repeated: both agree"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each")
    chosen = parser.parse_args()
    tshark = shutil.which("tshark")
    if tshark is None:
        print("no tshark here, so lab trace is not compared (Debian: tshark)")
        return
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as folder:
        capture, theirs, ours = (Path(folder) / name for name in ("mix.pcap", "tshark.txt", "lab.json"))
        with capture.open("wb") as stream:
            write(stream, mix(chosen.megabytes * 1_000_000))
        how = [word for name in CHECKED for word in ("-o", f"{name}:TRUE")]
        fields = [word for name in FIELDS for word in ("-e", name)]
        command = [tshark, "-n", "-r", str(capture), "-T", "fields", "-E", "occurrence=f", *how, *fields]
        rounds = [(took([*LAB, "trace", str(capture)], ours), took(command, theirs)) for _ in range(chosen.rounds)]
        mine, reference = (best(turns) for turns in zip(*rounds, strict=True))
        took([*LAB, "trace", str(capture), "--json"], ours)
        print(f"lab trace, {capture.stat().st_size / 1e6:.0f} MB against tshark -T fields: {agreed(theirs, ours)}")
        for name, each in (("lab trace", mine), ("tshark", reference)):
            print(f"  {name:<12} {each.wall:8.2f} s  {each.cpu:8.2f} s of processor  {each.peak:6.0f} MiB")
        wall, cpu = reference.wall / mine.wall, reference.cpu / mine.cpu
        print(f"  {wall:.1f} times as fast, {cpu:.1f} times by processor time   at least 4")


if __name__ == "__main__":
    main()
