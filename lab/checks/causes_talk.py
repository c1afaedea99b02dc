"""The causes that lie in what two programs said to each other: bytes, their order, and how each side ended."""

from __future__ import annotations

from lab.checks.base import Cause
from lab.checks.names import count, quoted


def never_answered(side: str, asked: bytes, waiting: str | None = None) -> Cause:
    """The other side's bytes arrived, and nothing came back; `waiting` is the other side if it did not close its own.

    Which of these it was, only the program's calls would tell.
    """
    what = f"{side} sent nothing back after {quoted(asked)} arrived"
    if waiting is None:
        return Cause("never-answered", f"{what} (packets alone do not tell whether it never read or never answered)",
                     "recv() and send(): whether both are reached, and what ends the loop around recv()")  # fmt: skip
    return Cause("never-answered", f"{what} (packets alone do not tell whether it never read, never answered, or "
                 f"waited for an end of file that {waiting} never sent)",
                 "recv() and send(): whether both are reached, and what ends the loop around recv()")  # fmt: skip


def waited_for_end(side: str, other: str) -> Cause:
    """It answered as soon as the other's side had ended, which was only when we ended the program."""
    return Cause("waited-for-end", f"{side} answered only once {other} had been ended at its time limit: it waited for "
                 f"an end of file that {other} never sent",
                 "what ends the loop around recv(), and how else the end of a question can be known")  # fmt: skip


def nothing_sent(side: str) -> Cause:
    """The side that was to begin sent nothing."""
    return Cause("nothing-sent", f"{side} was to speak and never did", "whether send() is reached")


def too_little(side: str, sent: int, wanted: bytes) -> Cause:
    """The beginning is right, the end is missing."""
    return Cause("too-little",
                 f"{side} sent {sent} of {count(len(wanted), 'byte')}: {quoted(wanted[sent:])} is missing",
                 "how often recv() and send() are called, and what happens to the bytes in between")  # fmt: skip


def too_much(side: str, extra: bytes, before: bool = False) -> Cause:
    """What was asked for, and more; `before` if that began with the more."""
    where = " before what was asked for" if before else ""
    return Cause("too-much", f"{side} sent {count(len(extra), 'byte')} too many{where}: {quoted(extra)}",
                 "what is sent besides the answer")  # fmt: skip


def differs(side: str, at: int, wanted: bytes, got: bytes) -> Cause:
    """The first byte that is something else."""
    first, right = quoted(got[at : at + 1]), quoted(wanted[at : at + 1])
    return Cause("differs", f"{side} sent something else: byte {at + 1} is {first}, not {right}",
                 "what happens to the bytes between recv() and send()")  # fmt: skip


def spoke_first(side: str, other: str) -> Cause:
    """An answer to nothing."""
    return Cause("spoke-first", f"{side} sent bytes before it had got them from {other}: that is no echo",
                 "where the bytes given to send() come from")  # fmt: skip


def urgent(text: str) -> Cause:
    """A byte out of band."""
    return Cause("urgent", text, "the flags given to send(): MSG_OOB")


def answered_late(side: str, other: str) -> Cause:
    """An answer to nobody."""
    return Cause("answered-late", f"{side} answered only after {other} had been ended at its time limit",
                 "what the program does, and waits for, between recv() and send()")  # fmt: skip


def answered_the_gone(side: str, other: str) -> Cause:
    """An answer to one that had closed both directions; packets do not tell whether it was tired of waiting."""
    return Cause("answered-late", f"{side} answered only after {other} had closed, and nobody was there to read it",
                 "what ends the loop around recv(): who waits for an answer sends no end of file before")  # fmt: skip


def not_acknowledged(side: str) -> Cause:
    """Bytes that the receiver never confirmed."""
    return Cause("not-acknowledged", f"not all bytes that {side} sent were acknowledged",
                 "whether the receiving program was still there")  # fmt: skip


def reset(side: str) -> Cause:
    """RST instead of FIN."""
    return Cause("reset", f"{side} ended the connection by a reset (RST), not by a FIN",
                 "whether everything that arrived was read before close(), and SO_LINGER")  # fmt: skip


def never_closed(side: str, waiting: str | None = None) -> Cause:
    """No FIN of its own; `waiting` is the other side if that closed only after this one had been ended."""
    look = "whether close() is reached, and what the program waits for"
    if waiting:
        look += f": {waiting} closed only after {side} had been ended"
    return Cause("never-closed", f"{side} never closed the connection (lab ended the program; that does not count)",
                 look)  # fmt: skip


def both_wait(client: str, server: str) -> Cause:
    """Two that wait for each other's end."""
    return Cause("both-wait", f"neither {client} nor {server} closed: each may wait for the other's end of file",
                 "who has to close first, and what recv() waits for")  # fmt: skip


def closed_first(side: str, other: str) -> Cause:
    """The wrong side closed first, or before the other had said everything."""
    return Cause("closed-first", f"{side} closed the connection before {other} was done",
                 "when close() is called (the end of a with block and of the program close too), and what recv() "
                 "returns at the end of the stream")  # fmt: skip


def simultaneous(wanted: str) -> Cause:
    """Both closed before they saw the other close."""
    return Cause("closed-together", f"both sides closed at the same time, where {wanted} was to close first",
                 "whether the program waits for the end of the stream before close()")  # fmt: skip


def data_after_fin(side: str) -> Cause:
    """Bytes after the end of one's own stream."""
    return Cause("data-after-fin", f"{side} sent data after its own FIN", "the order of the segments")
