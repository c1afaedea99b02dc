import gc
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab import apparmor, doctor
from lab.commands import machine as commands
from lab.doctor import Finding
from lab.errors import LabError, NotMeasuredError
from lab.runtime.netns import machine
from lab.runtime.netns.machine import Machine, problems

UBUNTU = Machine(apparmor_restricts="1", label="unconfined", refused="user namespaces")
PLAIN_MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
30 22 0:30 / /proc/sys/fs/binfmt_misc rw,relatime shared:15 - autofs systemd-1 rw
31 22 0:31 / /proc/fs/nfsd rw,relatime shared:16 - nfsd nfsd rw
"""
DOCKER_MOUNTS = """\
500 400 0:50 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
501 500 0:50 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
502 500 0:51 / /proc/acpi ro,relatime - tmpfs tmpfs ro
"""


@pytest.mark.parametrize(
    "machine",
    [
        Machine(),
        Machine(max_user_namespaces="96365", userns_clone="1", apparmor_restricts="0", label="unconfined"),
        replace(UBUNTU, label="packetlab-0123abcd (unconfined)", refused=""),
        replace(UBUNTU, root=True, bwrap_has_profile=True, refused=""),
        Machine(hidden=("/proc/acpi",)),
    ],
)
def test_nothing_stands_in_the_way(machine):
    assert problems(machine) == []


@pytest.mark.parametrize(
    ("machine", "what", "hint"),
    [
        (Machine("Darwin"), "this is Darwin", "lab judge"),
        (Machine(architecture="riscv64"), "architecture riscv64", "x86_64 and aarch64"),
        (Machine(max_user_namespaces="0"), "switched off", "sudo sysctl -w user.max_user_namespaces=15000"),
        (Machine(userns_clone="0"), "root alone", "kernel.unprivileged_userns_clone=1"),
        (Machine(userns_clone="0", root=True), "root alone", "60-lab.conf"),
        (UBUNTU, "AppArmor", "lab doctor --fix"),
        (replace(UBUNTU, root=True, refused=""), "AppArmor", "lab doctor --fix"),
        (replace(UBUNTU, bwrap_has_profile=True), "AppArmor", "lab doctor --fix"),
        (Machine(refused="user namespaces", container=True), "this container forbids", "seccomp=unconfined"),
        (Machine(refused="user namespaces"), "the kernel forbids", "chroot"),
        (Machine(refused="user namespaces", userns_clone="0"), "root alone", "sysctl"),
        (Machine(refused="user namespaces", max_user_namespaces="0"), "switched off", "sysctl"),
        (Machine(refused="proc", hidden=("/proc/a", "/proc/b")), "(/proc/a, /proc/b)", "systempaths=unconfined"),
        (Machine(manager="apt-get", missing=("bwrap",)), "bwrap (the sandbox", "sudo apt-get install bubblewrap"),
        (Machine(missing=("tcpdump", "bwrap")), "are missing", "install tcpdump bubblewrap"),
    ],
)
def test_one_reason_with_its_remedy(machine, what, hint):
    (problem,) = problems(machine)
    assert what in problem.what
    assert hint in problem.hint


def test_missing_tools_and_a_refusal_are_told_at_once():
    assert len(problems(replace(UBUNTU, missing=("tcpdump",)))) == 2


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "sudo apt-get install iputils-ping iproute2 nftables"),
        ("dnf", "sudo dnf install iputils iproute nftables"),
        ("pacman", "sudo pacman -S iputils iproute2 nftables"),
        ("apk", "sudo apk add iputils iproute2 nftables"),
        ("", "install iputils iproute2 nftables"),
    ],
)
def test_packages_have_the_names_of_the_system(manager, command):
    assert machine.install_hint(("ping", "ip", "nft"), manager) == command


@pytest.mark.parametrize(
    ("mounts", "hidden"),
    [(DOCKER_MOUNTS, ("/proc/bus", "/proc/acpi")), (PLAIN_MOUNTS, ()), ("", ())],
)
def test_what_a_container_hides_of_proc(mounts, hidden):
    assert machine._hidden(mounts) == hidden


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("before", "problem"),
    [
        ("true", ""),
        ("mount -t tmpfs none /proc/driver", "are hidden (/proc/driver)"),
        ("echo 0 >/proc/sys/user/max_user_namespaces", "switched off"),
    ],
)
def test_the_kernel_is_asked_itself(before, problem):
    """In namespaces of their own, where the machine can be made unfit without harm to anybody."""
    show = f"{before} && exec \"$0\" -c 'from lab.runtime.netns.machine import *; print(*problems(look()))'"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", show, sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert problem in done.stdout
    assert bool(problem) == bool(done.stdout.strip())


@pytest.mark.kernel
def test_the_report_brings_a_lab_up():
    findings = {each.name: each for each in doctor.report()}
    assert findings["a small lab"].state == "works", findings["a small lab"]
    assert findings["with IPv6"].state == "works", findings["with IPv6"]
    assert "unknown option" not in " ".join(each.detail for each in findings.values())
    assert {"system", "python", "tcpdump", "bwrap", "nft", "state folder", "docker"} <= findings.keys()


@pytest.mark.kernel
def test_a_kernel_without_ipv6_for_nft_is_told_in_one_line(tmp_path, monkeypatch):
    """What nft 1.0.6 says on a Linux 6.1 that was built without NF_TABLES_IPV6."""
    for each in (tmp_path, *tmp_path.parents[:2]):  # root's labs run under another uid, which has to pass
        each.chmod(0o755)
    nft = tmp_path / "nft"
    nft.write_text(
        """#!/bin/sh
cat >&2 <<'SAID'
/dev/stdin:2:1-2: Error: Could not process rule: Operation not supported
table ip6 lab {
^^
/dev/stdin:2:11-13: Error: No such file or directory; did you mean chain ‘output’ in table ip6 ‘lab’?
SAID
exit 1
"""
    )
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    findings = {each.name: each for each in doctor.report()}
    assert findings["a small lab"].state == "works"
    assert findings["with IPv6"].state == "absent"
    said = findings["with IPv6"].detail
    assert said.endswith("silent at rest: Could not process rule: Operation not supported"), said


def test_the_report_names_a_missing_tool_once_and_tries_no_lab(monkeypatch):
    for module in (doctor, machine):
        monkeypatch.setattr(module, "which", lambda name: None)
    monkeypatch.setattr(doctor, "_docker", lambda: Finding("docker", "absent", ""))
    monkeypatch.setattr(machine, "_refused", lambda: "")
    found = doctor.report()
    assert [each.name for each in found if each.state == "fails"] == ["tcpdump", "bwrap", "prlimit"]
    assert [each.name for each in found if each.name == "a small lab"] == []


@pytest.mark.parametrize(
    ("script", "with_tests", "attachment"),
    [
        ("/home/anna/lab/.venv/bin/lab", False, "/home/anna/lab/.venv/bin/lab"),
        ("/home/anna/my lab/.venv/bin/lab", True, "/home/anna/my lab/.venv/bin/{lab,pytest}"),
        ("/srv/{x}[1]*/bin/lab", False, r"/srv/\{x\}\[1\]\*/bin/lab"),
    ],
)
def test_the_profile_names_the_script_alone(script, with_tests, attachment):
    made = apparmor.profile_of(Path(script), with_tests=with_tests)
    assert f'profile {made.path.name} "{attachment}" flags=(unconfined) {{\n  userns,\n}}' in made.text
    assert "python" not in made.text
    assert made.path.parent == Path("/etc/apparmor.d")


@pytest.mark.parametrize("folder", ['/home/a"b', "/home/@{HOME}", "/home/a\nb"])
def test_a_path_that_would_break_out_of_the_profile_is_refused(folder):
    with pytest.raises(LabError, match="cannot hold"):
        apparmor.profile_of(Path(folder) / "lab")


def test_two_places_have_two_profiles():
    first, second = (apparmor.profile_of(Path(folder) / "lab") for folder in ("/a", "/b"))
    assert first.path != second.path


@pytest.mark.parametrize("as_root", [True, False])
def test_a_profile_is_written_and_loaded_by_root_or_sudo(monkeypatch, tmp_path, as_root):
    ran = _fake_programs(monkeypatch, tmp_path, as_root, "exit 0")
    wanted = apparmor.Profile(tmp_path / "lab", tmp_path / "profile", "text\n")
    apparmor.install(wanted)
    assert wanted.path.read_text() == "text\n"
    assert ran.read_text().splitlines() == ([] if as_root else ["sudo", "sudo"])


def test_a_profile_that_is_not_accepted_does_not_stay(monkeypatch, tmp_path):
    _fake_programs(monkeypatch, tmp_path, True, "echo no such rule >&2; exit 1")
    wanted = apparmor.Profile(tmp_path / "lab", tmp_path / "profile", "text\n")
    with pytest.raises(NotMeasuredError, match="no such rule"):
        apparmor.install(wanted)
    assert not wanted.path.exists()


def test_the_fix_asks_first(monkeypatch, capsys):
    monkeypatch.setattr(machine, "look", lambda: UBUNTU)
    monkeypatch.setattr(apparmor, "install", lambda wanted: pytest.fail("nobody agreed"))
    with pytest.raises(LabError, match="nobody is here to agree"):
        commands.doctor(fix=True, yes=False, as_json=False)
    assert "  userns,\n" in capsys.readouterr().out


def _fake_programs(monkeypatch, folder, as_root, parser):
    """A sudo that notes its use, and a parser of profiles, first on the PATH; returns the notes."""
    ran = folder / "ran"
    ran.touch()
    for name, script in (("sudo", f'echo sudo >>"{ran}"; "$@"'), ("apparmor_parser", parser)):
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0 if as_root else 1000)
    return ran


@pytest.mark.parametrize(
    ("docker_state", "code", "said"),
    [("works", 0, "labs work here with Docker"), ("absent", 3, "labs do not work here")],
)
def test_docker_stands_in_for_namespaces(monkeypatch, capsys, docker_state, code, said):
    found = [Finding("namespaces", "fails", "forbidden", "mend it"), Finding("docker", docker_state, "Engine")]
    monkeypatch.setattr(doctor, "report", lambda: found)
    assert commands.doctor(fix=False, yes=False, as_json=False) == code
    assert said in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK's, of connections that failed
def test_an_engine_that_labs_cannot_use_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nowhere")
    found = doctor._docker()
    gc.collect()
    assert found.state == "absent"
    assert "no Docker Engine answers" in found.detail
    assert "No such file" in found.remedy
