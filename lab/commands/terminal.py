"""A real terminal on a node: a pseudo-terminal of ours, its other end the program's controlling terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import sys
import termios
import tty
from dataclasses import replace

from lab.runtime.base import LiveLab, Process, Program


def relay(lab: LiveLab, program: Program) -> int:
    """Run a program on a pseudo-terminal and pass everything between it and our own terminal; its exit code."""
    ours, theirs = pty.openpty()
    _copy_size(ours)
    process = lab.start(replace(program, stdin=theirs, stdout=theirs, stderr=theirs))
    os.close(theirs)
    before = termios.tcgetattr(0)
    signal.signal(signal.SIGWINCH, lambda *_: _copy_size(ours))
    try:
        tty.setraw(0)
        _pass_on(lab, process, ours)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        os.close(ours)
    lab.wait(lambda: process.exit_code is not None, 10)
    lab.close()
    return process.exit_code or 0


def _pass_on(lab: LiveLab, process: Process, ours: int) -> None:
    """Until the program has closed its side: Linux answers EIO then."""
    inputs = [0, ours]
    while True:
        readable, _, _ = select.select(inputs, [], [], 0.5)
        if not readable and not lab.wait(lambda: False, 0) and process.exit_code is not None:
            return
        if ours in readable:
            try:
                data = os.read(ours, 65536)
            except OSError:
                return
            if not data:
                return
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        if 0 in readable:
            typed = os.read(0, 65536)
            if typed:
                os.write(ours, typed)
            else:
                inputs.remove(0)


def _copy_size(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))
