"""A profile for AppArmor that allows user namespaces to `lab` alone, for Ubuntu 23.10 and newer.

AppArmor attaches a profile by the path that is executed, and for a script that is the script's own, not its
interpreter's: the profile names the script `lab`, and every other Python program stays restricted. A profile in the
mode `unconfined` is passed on to programs that have none of their own, which is how bwrap comes by it; naming bwrap
too would clash with the profile that some systems bring for it (apparmor.d(5), `bwrap-userns-restrict`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, NotMeasuredError

FOLDER = Path("/etc/apparmor.d")
_SPECIAL = re.compile(r"([\\*?\[\]{}^])")
_TEXT = """\
# Allows user namespaces to {script}, which builds its networks in them.
# Apart from that it restricts and permits nothing. To take it back:
#   sudo apparmor_parser -R {path} && sudo rm {path}

abi <abi/4.0>,
include <tunables/global>

profile {name} "{attachment}" flags=(unconfined) {{
  userns,
}}
"""


@dataclass(frozen=True)
class Profile:
    """A profile: its text, and the file that it belongs into."""

    script: Path
    path: Path
    text: str


def profile() -> Profile:
    """The profile for the `lab` that is running; beside it in a clone, for the tests' pytest too.

    Raises LabError where `lab` was not started by a script of that name.
    """
    found = (Path(sys.prefix) / "bin" / "lab", Path(sys.argv[0]), Path(shutil.which("lab") or ""))
    script = next((path.resolve() for path in found if path.name == "lab" and path.is_file()), None)
    if script is None:
        raise LabError("no script called lab was found that a profile could name", hint="pip install . makes one")
    return profile_of(script, with_tests=script.with_name("pytest").is_file())


def profile_of(script: Path, *, with_tests: bool = False) -> Profile:
    """The profile for a script; raises LabError for a path that AppArmor could read as something else."""
    folder = str(script.parent)
    if re.search(r'["@\x00-\x1f\x7f]', folder):
        raise LabError(f"{folder} has a character that a profile cannot hold", hint="install lab in another folder")
    name = f"packetlab-{hashlib.sha256(os.fsencode(script)).hexdigest()[:8]}"
    scripts = f"{{{script.name},pytest}}" if with_tests else script.name
    attached = _SPECIAL.sub(r"\\\1", folder) + "/" + scripts
    path = FOLDER / name
    return Profile(script, path, _TEXT.format(script=script, path=path, name=name, attachment=attached))


def install(wanted: Profile) -> None:
    """Write the profile and load it, by root or sudo; raises NotMeasuredError with the reason where that fails."""
    _as_root(["tee", str(wanted.path)], wanted.text)
    try:
        _as_root(["apparmor_parser", "-r", str(wanted.path)])
    except NotMeasuredError:
        _as_root(["rm", str(wanted.path)])
        raise


def _as_root(command: list[str], stdin: str | None = None) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    try:
        done = subprocess.run([*prefix, *command], input=stdin, text=True, capture_output=True, check=False)
    except FileNotFoundError as error:
        hint = "run lab doctor --fix as root" if prefix else ""
        raise NotMeasuredError(f"there is no program {error.filename}", hint=hint) from None
    if done.returncode:
        raise NotMeasuredError(f"{' '.join(command)} failed", hint=done.stderr.strip())
