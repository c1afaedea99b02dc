"""A live capture at one interface of a lab, as text, as pcap, or in Wireshark."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.commands.labs import FORWARDED, lab_and_rest
from lab.errors import LabError
from lab.plan import PlannedInterface
from lab.runtime.base import LiveLab, Program

_LOOK = 0.3  # seconds between two looks whether Wireshark was closed
_INSTALLED = (  # where its installers put it without touching PATH
    Path("/Applications/Wireshark.app/Contents/MacOS/Wireshark"),
    Path(os.environ.get("PROGRAMFILES", "")) / "Wireshark" / "Wireshark.exe",
)


def capture(words: Sequence[str], write: str | None, runtime: str | None, *, wireshark: bool) -> int:
    """Capture until interrupted or until Wireshark is closed; the exit code."""
    if wireshark and write is not None:
        raise LabError("--wireshark and -w exclude each other", hint="save the capture from within Wireshark")
    program = find_wireshark() if wireshark else ""
    lab, rest = lab_and_rest(words, runtime, separator=":")
    point = rest[0]
    if point not in lab.plan.points:
        raise LabError(f"{lab.name} has no interface {point}", hint="it has " + ", ".join(list(lab.plan.points)[:12]))
    if write == "-" and sys.stdout.isatty():
        raise LabError("a capture is not for a terminal", hint=f"lab capture {point} --wireshark, or -w FILE")
    interface = lab.plan.points[point]
    if program:
        return _show(lab, interface, program)
    target = 1 if write in (None, "-") else os.open(write or "", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    return _capture(lab, interface, target, text=write is None, viewer=None)


def find_wireshark() -> str:
    """Its program; raises LabError where it is not installed."""
    found = shutil.which("wireshark") or next((str(each) for each in _INSTALLED if each.is_file()), None)
    if found is None:
        hint = "install it (on Debian: sudo apt-get install wireshark), or write a file for it: -w FILE.pcap"
        raise LabError("Wireshark was not found", hint=hint)
    return found


def _show(lab: LiveLab, interface: PlannedInterface, program: str) -> int:
    title = f"{interface.node}:{interface.name}"
    command = [program, "-k", "-i", "-", "-o", f"gui.window_title:{title}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as viewer:
        assert viewer.stdin is not None
        try:
            return _capture(lab, interface, viewer.stdin.fileno(), text=False, viewer=viewer)
        finally:
            viewer.stdin.close()  # what was captured stays in its window until that is closed


def _capture(
    lab: LiveLab, interface: PlannedInterface, target: int, *, text: bool, viewer: subprocess.Popen[bytes] | None
) -> int:
    argv = ["tcpdump", "-i", interface.name, "-n", "--immediate-mode", "-s", str(interface.mtu + 64)]
    argv += ["-l", "-e"] if text else ["-U", "-w", "-"]
    process = lab.start(Program(interface.node, argv, kind="tool", stdout=target, stderr=2))
    for number in FORWARDED:
        signal.signal(number, lambda _, __: process.signal(signal.SIGTERM))

    def done() -> bool:
        if viewer is not None and viewer.poll() is not None:
            process.signal(signal.SIGTERM)
        return process.exit_code is not None

    lab.wait(done, float("inf"), _LOOK if viewer is not None else None)
    lab.close()
    # Wireshark that was closed is a capture's normal end, and so is the pipe that broke then.
    return 0 if process.exit_code in (0, 128 + signal.SIGTERM) or viewer is not None else 3
