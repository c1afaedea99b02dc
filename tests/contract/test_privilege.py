"""Steps with a capability in their node's network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.plan import Plan
from lab.runtime.base import CAPABILITIES, LiveLab, Privilege
from tests.contract.conftest import python, run
from tests.contract.test_programs import PAIR

Up = Callable[[str | Plan], LiveLab]

SOCKETS = """
import socket
for domain, kind, protocol in ((socket.AF_PACKET, socket.SOCK_RAW, 0), (socket.AF_INET, socket.SOCK_RAW, 1)):
    try:
        socket.socket(domain, kind, protocol)
        print("made")
    except OSError as error:
        print(error.strerror)
"""
OWN = "print([line.split()[1] for line in open('/proc/self/status') if line[:6] in ('CapEff', 'CapBnd', 'CapPrm')])"
PROGRAM = b"""
import getpass, os, socket
print(os.getcwd(), open('x.py').read()[1:7], socket.gethostname(), getpass.getuser(), os.getppid(), flush=True)
open('y', 'w')
os._exit(7)
"""


def test_a_raw_socket_takes_net_raw(up: Up) -> None:
    lab = up(PAIR)
    assert python(lab, "a", SOCKETS) == "Operation not permitted\nOperation not permitted\n"
    assert python(lab, "a", SOCKETS, privilege="net-raw") == "made\nmade\n"


@pytest.mark.parametrize("privilege", CAPABILITIES)
def test_it_is_that_capability_alone(up: Up, privilege: Privilege) -> None:
    alone = f"{1 << CAPABILITIES[privilege]:016x}"
    assert python(up(PAIR), "a", OWN, privilege=privilege) == f"{[alone] * 3}\n"


def test_net_admin_configures_its_own_node(up: Up) -> None:
    lab = up(PAIR)
    run(lab, "a", "ip", "route", "add", "192.0.2.0/24", "via", "10.0.1.11", privilege="net-admin")
    assert "192.0.2.0/24" in python(lab, "a", "import os; os.system('ip route')")
    assert "192.0.2.0/24" not in python(lab, "b", "import os; os.system('ip route')")


def test_its_folder_its_names_and_its_end_are_as_without(up: Up) -> None:
    lab = up(PAIR)
    lab.put("a", "f", {"x.py": PROGRAM})
    process = run(lab, "a", "python3", "x.py", folder="f", privilege="net-raw")
    assert process.stdout.data == b"/work import a student 1\n", process.stderr.data
    assert (process.exit_code, process.began) == (7, True)
    missing = run(lab, "a", "no-such-program", privilege="net-raw")
    assert (missing.exit_code, b"failed to execute no-such-program" in missing.stderr.data) == (127, True)


def test_nothing_of_the_machine_is_in_reach(up: Up) -> None:
    look = (
        "import os, socket\n"
        "for path in ('/home', '/root', '/var', '/etc/shadow', '/oldroot'): print(path, os.path.exists(path))\n"
        "print(sorted(p for p in os.listdir('/proc') if p.isdigit() and int(p) > 2 and int(p) != os.getpid()))\n"
        "for reach, path in ((os.listdir, 'root'), (os.listdir, 'fd'), (open, 'environ'), (open, 'mem')):\n"
        "    try: reach(f'/proc/1/{path}'); print(path)\n"
        "    except OSError: pass\n"
        "for path in ('/x', '/usr/x', '/dev/x'):\n"
        "    try: open(path, 'w'); print('written')\n"
        "    except OSError: pass\n"
    )
    said = python(up(PAIR), "a", look, privilege="net-admin")
    assert said == "/home False\n/root False\n/var False\n/etc/shadow False\n/oldroot False\n[]\n"


def test_its_system_calls_can_be_recorded(up: Up) -> None:
    process = run(up(PAIR), "a", "python3", "-c", SOCKETS, privilege="net-raw", record=1 << 20)
    assert process.calls is not None
    text = process.calls.data.decode()
    assert "socket(AF_PACKET, SOCK_RAW|SOCK_CLOEXEC, htons(0" in text
    assert "+++ exited with 0 +++" in text
