"""What tests need of the machine: where it is missing they skip aloud, or fail where LAB_NO_SKIPS is set (as in CI)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from functools import cache

import pytest

MARKERS = (
    "kernel: builds real networks in namespaces",
    "tool(name, ...): runs these programs of the system",
    "docker: brings labs up by a Docker Engine",
    "root: has a meaning for root alone",
    "user: has a meaning for an ordinary user alone",
)
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if reason := _missing(item):
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and os.environ.get("LAB_NO_SKIPS") and not hasattr(report, "wasxfail") and not _wrong_user(item):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}; LAB_NO_SKIPS forbids to leave it out"
    return report


def _missing(item: pytest.Item) -> str:
    if reason := _wrong_user(item):
        return reason
    for marker in item.iter_markers("tool"):
        for name in marker.args:
            if shutil.which(name, path=PATH) is None:
                return f"needs {name}, which is not installed"
    if item.get_closest_marker("kernel") and (reason := _no_kernel()):
        return reason
    return _no_docker() if item.get_closest_marker("docker") else ""


def _wrong_user(item: pytest.Item) -> str:
    root = os.geteuid() == 0 if hasattr(os, "geteuid") else False
    if item.get_closest_marker("root") and not root:
        return "for root alone"
    if item.get_closest_marker("user") and root:
        return "for an ordinary user alone"
    if item.get_closest_marker("docker") and not root and not _may_use_docker():
        return "for who may use a Docker Engine alone"
    return ""


@cache
def _may_use_docker() -> bool:
    from lab.runtime.docker.engine import might_answer

    return might_answer()


@cache
def _no_docker() -> str:
    from lab.runtime.docker.runtime import DockerRuntime

    runtime = DockerRuntime()
    problems = runtime.problems()
    if runtime._connected:
        runtime._connected.close()
    return "; ".join(str(problem) for problem in problems)


@cache
def _no_kernel() -> str:
    from lab.runtime.netns.machine import look, problems

    return "; ".join(str(problem) for problem in problems(look()))
