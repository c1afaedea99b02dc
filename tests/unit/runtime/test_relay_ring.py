"""How much of the kernel's memory a relay's rings take, and what they do where there is little of it."""

import errno

import pytest

from lab.runtime.relay.ring import allocate, share

MIB = 1 << 20


@pytest.mark.parametrize(
    ("rings", "used", "ports", "room"),
    [
        (2, 0, 2, 8 * MIB),
        (8, 0, 8, 8 * MIB),
        (16, 0, 16, 4 * MIB),
        (2, 0, 100, 8 * MIB),  # the others may never be taken
        (100, 0, 100, 64 * MIB // 100),
        (2, 60 * MIB, 10, 64 * MIB // 10),
        (2, 64 * MIB, 2000, MIB // 4),
        (2, 200 * MIB, 2000, MIB // 4),
    ],
)
def test_rings_share_one_room(rings: int, used: int, ports: int, room: int) -> None:
    assert share(rings, used, ports) == room


@pytest.mark.parametrize("at_once", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("ports", [1, 2, 8, 30, 100, 256])
def test_a_lab_takes_no_more_than_twice_the_room(ports: int, at_once: int) -> None:
    used = 0
    for first in range(0, ports, at_once):
        rings = min(at_once, ports - first)
        used += rings * share(rings, used, ports)
    assert used <= 128 * MIB


def test_a_ring_gets_smaller_until_there_is_memory_for_it() -> None:
    asked: list[int] = []

    def take(size: int) -> int:
        asked.append(size)
        if size > MIB:
            raise OSError(errno.ENOMEM, "no memory")
        return size

    assert allocate(take, 6 * MIB + 1) == MIB * 3 // 4
    assert asked == [6 * MIB, 3 * MIB, MIB * 3 // 2, MIB * 3 // 4]


@pytest.mark.parametrize(("number", "tries"), [(errno.ENOMEM, 3), (errno.EPERM, 1)])
def test_what_has_no_room_at_all_or_may_not_be_says_so(number: int, tries: int) -> None:
    asked: list[int] = []

    def take(size: int) -> int:
        asked.append(size)
        raise OSError(number, "no")

    with pytest.raises(OSError, match="no") as caught:
        allocate(take, MIB // 4)
    assert (caught.value.errno, len(asked)) == (number, tries)
