"""The agent's source, as it is sent into a helper container: an archive that Python imports from."""

from __future__ import annotations

import importlib.util
import io
import marshal
import struct
import zipfile
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path

_UNCHECKED = 1  # how compiled code says that nothing need compare it with its source (PEP 552)
_ROOT = Path(__file__).parents[2]
_MODULES = (
    "__init__.py",
    "errors.py",
    *(f"dns/{name}.py" for name in ("__init__", "message", "server", "zone")),
    "runtime/__init__.py",
    "runtime/base.py",
    "runtime/docker/__init__.py",
    "runtime/docker/frames.py",
    *(f"runtime/docker/agent/{name}.py" for name in (
        "__init__", "box", "cgroups", "connection", "folders", "found", "launch", "links", "main", "nodes", "passage",
        "programs", "syscalls", "wiring",
    )),
    *(f"runtime/netns/{name}.py" for name in (
        "__init__", "channel", "child", "kernelstate", "memory", "nameserver", "netlink", "offload", "probe",
        "processes", "recorder", "sandbox", "seccomp", "syscalls", "wiring",
    )),
    *(f"runtime/relay/{name}.py" for name in ("__init__", "owner", "process", "ring", "switch")),
    "topology/links.py",
    "topology/sysctls.py",
    *(f"trace/{name}.py" for name in (
        "__init__", "fields", "filter", "fragments", "layers", "numbers", "options", "packets", "streams",
    )),
)  # fmt: skip

# Reads the archive from standard input, whose rest is the channel, and keeps it in memory only.
_LOADER = (
    "import os,sys,struct\n"
    "def read(n):\n"
    " d=b''\n"
    " while len(d)<n:\n"
    "  c=os.read(0,n-len(d))\n"
    "  if not c: sys.exit(1)\n"
    "  d+=c\n"
    " return d\n"
    "f=os.memfd_create('agent');os.write(f,read(struct.unpack('>I',read(4))[0]))\n"
    "sys.path.insert(0,f'/proc/self/fd/{f}')\n"
    "sys.dont_write_bytecode=True\n"
    "from lab.runtime.docker.agent.main import main\n"
    "main(sys.argv[1],sys.argv[2]=='first')\n"
)


def command(mark: str, *, first: bool) -> list[str]:
    """The command of an agent of the lab with that mark; the `first` one is its helper container's own."""
    return ["python3", "-ISc", _LOADER, mark, "first" if first else "next"]


@cache
def archive() -> bytes:
    """What an agent reads before anything else: its code, behind its length."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in _MODULES:
            file.writestr(zipfile.ZipInfo(f"lab/{name}"), (_ROOT / name).read_bytes())
            file.writestr(zipfile.ZipInfo(f"lab/{name}c"), _compiled(_ROOT / name))
        file.writestr(zipfile.ZipInfo("lab/topology/__init__.py"), b"")  # our own imports the parser of topologies
    content = packed.getvalue()
    return struct.pack(">I", len(content)) + content


def _compiled(source: Path) -> bytes:
    """A module compiled: halves the agent's start where its Python is the caller's; another's takes the source."""
    code = SourceFileLoader(source.stem, str(source)).get_code(source.stem)
    return importlib.util.MAGIC_NUMBER + struct.pack("<I8x", _UNCHECKED) + marshal.dumps(code)
