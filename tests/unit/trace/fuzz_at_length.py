"""Ten million damaged captures, once: `nice -n 19 python tests/unit/trace/fuzz_at_length.py` (test_fuzz is short).

Each input is a small capture file (pcap of both byte orders and resolutions, pcapng, five link types, one to three
frames) with bytes changed, removed, repeated or cut off by a seeded chance. It is opened, decoded, followed and
surveyed; every so often its frames are explained and its ladder drawn. Nothing but the reasoned refusal may be raised,
and memory must not grow. A failure prints the seed that repeats it.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import resource
import struct
import sys
import time
import traceback

from test_fuzz import SEEDS, damaged
from test_pcapng import Made

from lab.trace.explain import explain
from lab.trace.flows import Tracker
from lab.trace.ladder import ladder
from lab.trace.packets import decode, quoted, tcp_options
from lab.trace.pcap import TraceError, open_trace
from lab.trace.survey import Survey
from lab.trace.table import table
from lab.trace.words import summary

BATCH = 20_000
LINKS = (1, 1, 1, 101, 113, 276, 0)  # Ethernet, raw IP, cooked in two versions, loopback


def capture(chance: random.Random) -> bytes:
    """A small capture of seeds, whole."""
    frames = [chance.choice(SEEDS) for _ in range(chance.randrange(1, 4))]
    link, order = chance.choice(LINKS), chance.choice("<>")
    frames = [_reframed(frame, link) for frame in frames]
    if chance.random() < 0.4:
        made = Made(order).interface(link, name=b"eth0", resolution=b"\x09")
        for number, frame in enumerate(frames):
            if chance.random() < 0.7:
                made.enhanced(0, number * 1000, frame)
            else:
                made.simple(len(frame), frame)
        return made.data
    magic = chance.choice((0xA1B2C3D4, 0xA1B23C4D))
    whole = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(frames):
        whole += struct.pack(order + "IIII", 1, number, len(frame), len(frame)) + frame
    return whole


def _reframed(frame: bytes, link: int) -> bytes:
    match link:
        case 101:
            return frame[14:]
        case 113:
            return bytes(14) + frame[12:]
        case 276:
            return frame[12:14] + bytes(18) + frame[14:]
        case 0:
            return b"\2\0\0\0" + frame[14:]
    return frame


def look(data: bytes, deep: bool) -> bool:
    """Take one input as far as the tools would; whether it could be opened."""
    try:
        trace = open_trace(io.BytesIO(data), "damaged")
    except TraceError:
        return False
    tracker = Tracker()
    packets = []
    for frame in trace:
        packet = decode(*frame)
        tcp_options(packet)
        tracker.feed(packet)
        packets.append(packet)
    for talk in tracker.conversations:
        assert talk.client.stream is not None
        assert talk.server.missing is not None
    if deep:
        for packet in packets:
            assert explain(packet)
            assert summary(packet)
            quoted(packet)
        assert table(tracker.conversations) is not None
        assert ladder({"damaged": packets}, None, next(iter(tracker.conversations), None)) is not None
        Survey(open_trace(io.BytesIO(data)))
    return True


def batch(seed: int) -> tuple[int, int, int, str]:
    """A batch of inputs: how many, how many could be opened, the peak of memory in KiB, and what went wrong."""
    chance, opened = random.Random(seed), 0
    for number in range(BATCH):
        if number % 8 == 0:
            whole = capture(chance)
        data = damaged(whole, chance)
        try:
            opened += look(data, number % 16 == 0)
        except Exception:
            return number, opened, 0, f"seed {seed}, input {number}: {data.hex()}\n{traceback.format_exc()}"
    return BATCH, opened, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + -(-arguments.inputs // BATCH))
    started, inputs, opened, peaks, failures = time.monotonic(), 0, 0, [], []
    with multiprocessing.Pool(arguments.jobs) as pool:
        for done, several in enumerate(pool.imap_unordered(batch, seeds), 1):
            inputs += several[0]
            opened += several[1]
            peaks.append(several[2] / 1024)
            if several[3]:
                failures.append(several[3])
                print(several[3], flush=True)
            if done % 20 == 0:
                rate = inputs / (time.monotonic() - started)
                print(f"{inputs} inputs, {rate:.0f}/s, peak {max(peaks):.0f} MiB", flush=True)
    print(f"{inputs} inputs, {opened} opened, {len(failures)} failures, {time.monotonic() - started:.0f} s, "
          f"peak memory {peaks[0]:.0f} MiB after the first batch, {max(peaks):.0f} MiB at the end")  # fmt: skip
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
