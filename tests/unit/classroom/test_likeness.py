"""Copies up to names and layout are found, and what was given to all counts for nothing."""

from __future__ import annotations

import pytest

from lab.catalog import find_exercise
from lab.classroom.likeness import Alike, everything, find_alike, fingerprint, groups, words_of

ECHO = find_exercise("tcp-echo").parent
SOLUTION = (ECHO / "solution" / "server.py").read_text()
RENAMED = (
    SOLUTION.replace("listener", "lsock").replace("connection", "c").replace("data", "buf").replace("    ", "  ")
    + "\n\n# all my own work\n"
).replace('"""Sends back what it receives, to one client after the other."""', "# An echo server")
OTHER = """import socket, sys
def main():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.listen(5)
    while 1:
        c, a = s.accept()
        while True:
            d = c.recv(1024)
            if not d:
                break
            c.sendall(d)
        c.close()
main()
"""
C = """#include <stdio.h>
int main(int argc, char **argv) {
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* a socket */
    bind(fd, (struct sockaddr *)&address, sizeof address);
    listen(fd, 5);
    for (;;) { int c = accept(fd, 0, 0); while ((n = read(c, buffer, 100)) > 0) write(c, buffer, n); close(c); }
}
"""


def alike(**programs: str) -> list[Alike]:
    given = everything({"client.py": (ECHO / "client.py").read_bytes()})
    return find_alike({name: fingerprint({"server.py": text.encode()}, given) for name, text in programs.items()})


def test_other_names_comments_and_layout_hide_no_copy() -> None:
    assert alike(anna=SOLUTION, bert=RENAMED, cem=OTHER) == [Alike("anna", "bert", 1.0)]


def test_a_part_that_is_moved_or_added_leaves_it_alike() -> None:
    changed = OTHER.replace("    s.listen(5)\n", "    s.listen(5)\n    print('ready')\n")
    (found,) = alike(anna=OTHER, bert=changed, cem=SOLUTION)
    assert (found.one, found.other) == ("anna", "bert")
    assert 0.85 <= found.share < 1


def test_what_all_were_given_does_not_count() -> None:
    given = everything({"server.py": OTHER.encode()})
    assert find_alike({name: fingerprint({"server.py": OTHER.encode()}, given) for name in ("anna", "bert")}) == []


def test_programs_in_c_and_ones_that_do_not_parse() -> None:
    renamed = C.replace("fd", "lsock").replace("buffer", "b").replace("/* a socket */", "// mine")
    assert words_of("server.c", C.encode()) == words_of("server.c", renamed.encode())
    assert words_of("server.py", b"def broken(:\n  'never ended\n")
    assert words_of("server.py", b"\xff\x00") == []


def test_groups_are_told_once() -> None:
    pairs = [Alike("a", "b", 1.0), Alike("b", "c", 0.9), Alike("x", "y", 0.95)]
    assert sorted(groups(pairs)) == [(("a", "b", "c"), 0.9), (("x", "y"), 0.95)]


@pytest.mark.parametrize("kind", sorted(path.name for path in (ECHO / "wrong").iterdir()))
def test_honest_programs_of_few_lines_are_not_called_alike(kind: str) -> None:
    wrong = (ECHO / "wrong" / kind / "server.py").read_text()
    assert alike(one=wrong, other=OTHER) == []
