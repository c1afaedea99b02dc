"""Whether this machine lets an ordinary process have namespaces and a sandbox, and how to mend what does not."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.errors import Problem
from lab.runtime.netns import seccomp

_SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"  # often not on an ordinary user's PATH
REQUIRED = ("tcpdump", "bwrap", "prlimit")
PURPOSES = {
    "tcpdump": "captures every link",
    "bwrap": "the sandbox of the programs",
    "prlimit": "bounds the processes of a program",
    "nft": "keeps segments with IPv6 silent at rest",
    "ip": "shows a node's addresses and routes",
    "ping": "asks a node for an echo",
    "strace": "system calls of programs",
    "tshark": "a second opinion on packets, in the project's own tests",
}
_PACKAGES = {"bwrap": "bubblewrap", "prlimit": "util-linux", "nft": "nftables", "ip": "iproute2", "ping": "iputils"}
_PACKAGES_OF = {
    "apt-get": {"ping": "iputils-ping"},
    "dnf": {"ip": "iproute", "tshark": "wireshark-cli"},
    "pacman": {"tshark": "wireshark-cli"},
    "zypper": {"tshark": "wireshark"},
    "apk": {},
}
_INSTALL = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
    "apk": "apk add",
}
CONTAINER_HINT = (
    "outside the container it works; inside one it needs docker run with\n"
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
)
_CHROOT_HINT = "inside a chroot nothing else can be expected; elsewhere, sudo dmesg | tail may say why"
Refusal = Literal["", "user namespaces", "proc"]


@dataclass(frozen=True)
class Machine:
    """What the kernel and the system say of themselves, as far as it decides whether namespaces can be had."""

    system: str = "Linux"
    architecture: str = "x86_64"
    root: bool = False
    missing: tuple[str, ...] = ()
    manager: str = ""
    max_user_namespaces: str = ""
    userns_clone: str = ""
    apparmor_restricts: str = ""
    label: str = ""  # of this process, by AppArmor
    bwrap_has_profile: bool = False
    container: bool = False
    hidden: tuple[str, ...] = ()  # what a container engine has covered below /proc
    refused: Refusal = ""


def look() -> Machine:
    """Read what `problems` judges."""
    system = platform.system()
    if system != "Linux":
        return Machine(system)
    return Machine(
        system=system,
        architecture=platform.machine(),
        root=os.geteuid() == 0,
        missing=tuple(tool for tool in REQUIRED if which(tool) is None),
        manager=_manager(),
        max_user_namespaces=_read("/proc/sys/user/max_user_namespaces"),
        userns_clone=_read("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor_restricts=_read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        label=_read("/proc/self/attr/apparmor/current") or _read("/proc/self/attr/current"),
        bwrap_has_profile="\nbwrap " in "\n" + _read("/sys/kernel/security/apparmor/profiles"),
        container=Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
        hidden=_hidden(_read("/proc/self/mountinfo")),
        refused=_refused(),
    )


def problems(machine: Machine) -> list[Problem]:
    """What keeps the embedded runtime from working on such a machine, each with its remedy."""
    if machine.system != "Linux":
        return [Problem(f"namespaces are Linux's, and this is {machine.system}", hint="lab judge and lab trace work")]
    return list(_problems(machine))


def _problems(machine: Machine) -> Iterator[Problem]:
    if not seccomp.known(machine.architecture):
        yield Problem(
            f"no sandbox is known for the architecture {machine.architecture}",
            hint="programs can be run on x86_64 and aarch64; lab judge and lab trace work everywhere",
        )
    if machine.missing:
        names = ", ".join(f"{tool} ({PURPOSES[tool]})" for tool in machine.missing)
        missing = "is missing" if len(machine.missing) == 1 else "are missing"
        yield Problem(f"{names} {missing}", hint=install_hint(machine.missing, machine.manager))
    if machine.max_user_namespaces == "0":
        yield Problem(
            "user namespaces are switched off (user.max_user_namespaces = 0)",
            hint=_sysctl_hint("user.max_user_namespaces=15000"),
        )
    elif machine.userns_clone == "0":
        # Root too: what it runs in the sandbox has no privilege left.
        yield Problem(
            "user namespaces are for root alone (kernel.unprivileged_userns_clone = 0)",
            hint=_sysctl_hint("kernel.unprivileged_userns_clone=1"),
        )
    elif apparmor_forbids(machine):
        yield Problem(
            "AppArmor forbids user namespaces to programs without a profile (Ubuntu 23.10 and newer)",
            hint="lab doctor --fix shows a profile for lab alone, and installs it if you agree",
        )
    elif machine.refused == "user namespaces":
        where, hint = ("this container", CONTAINER_HINT) if machine.container else ("the kernel", _CHROOT_HINT)
        yield Problem(f"{where} forbids user namespaces", hint=hint)
    elif machine.refused == "proc":
        shown = ", ".join(machine.hidden[:3]) + (", …" if len(machine.hidden) > 3 else "")
        yield Problem(f"no /proc can be mounted, since parts of this one are hidden ({shown})", hint=CONTAINER_HINT)


def apparmor_forbids(machine: Machine) -> bool:
    """Whether AppArmor denies this process what a lab needs.

    Root may make user namespaces, but its sandbox is made without privilege: that takes a profile of bwrap's own.
    """
    forbids_sandbox = machine.root and machine.label == "unconfined" and not machine.bwrap_has_profile
    return machine.apparmor_restricts == "1" and (machine.refused == "user namespaces" or forbids_sandbox)


def install_hint(tools: tuple[str, ...], manager: str) -> str:
    """The command that installs what brings these tools; the packages alone where no package manager is known."""
    known = _PACKAGES | _PACKAGES_OF.get(manager, {})
    packages = " ".join(known.get(tool, tool) for tool in tools)
    return f"sudo {_INSTALL[manager]} {packages}" if manager else f"install {packages}"


def _sysctl_hint(setting: str) -> str:
    return f"sudo sysctl -w {setting}\nfor good: echo {setting} | sudo tee /etc/sysctl.d/60-lab.conf"


def _hidden(mountinfo: str) -> tuple[str, ...]:
    """What is covered below /proc: the kernel may then refuse any new one (mount_too_revealing in fs/namespace.c)."""
    points = [line.split()[4] for line in mountinfo.splitlines()]
    # These folders exist to be mounted on.
    return tuple(point for point in points if point.startswith("/proc/") and "/fs/" not in point)


def _refused() -> Refusal:
    """What of a lab's foundations the kernel refuses, tried in a child that ends at once."""
    from lab.runtime.netns.syscalls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, MS_REC, MS_SLAVE, mount, unshare

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            unshare(CLONE_NEWUSER)
            unshare(CLONE_NEWNS | CLONE_NEWPID)  # apart: AppArmor grants the first, and no capability in it
            mount("none", "/", None, MS_REC | MS_SLAVE)
            code = 2
            first = os.fork()  # only a process inside a PID namespace may mount its /proc
            if first == 0:
                mount("proc", "/proc", "proc", 0)
                os._exit(0)
            code = 2 if os.waitpid(first, 0)[1] else 0
        finally:
            os._exit(code)
    return ("", "user namespaces", "proc")[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def which(name: str) -> str | None:
    """Where a tool is, on the user's PATH or where administrators' tools are."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + _SBIN)


def _manager() -> str:
    return next((name for name in _INSTALL if which(name)), "")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
