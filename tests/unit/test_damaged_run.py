"""A run directory whose records were changed is refused where it is read: no check meets what lab never wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_submitted_captures import judge, recorded

from lab.declared import as_declared
from lab.errors import LabError
from lab.evidence import Mark, StepResult
from lab.gather.rundir import load


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("nodes", 0, "interfaces", 0, "mac"), "x", "'x' is no MAC"),
        (("nodes", 0, "interfaces", 0, "mac"), None, "TypeError"),
        (("nodes", 0, "interfaces", 0, "mtu"), "1500", "Plan.nodes.interfaces.mtu is '1500'"),
        (("nodes", 1, "name"), [None], r"Plan.nodes.name is \[None\]"),
        (("nodes", 0, "sysctls", 0, 0), [None], r"Plan.nodes.sysctls is \[None\]"),
        (("nodes", 0, "role"), "king", "Plan.nodes.role is 'king'"),
        (("resolver",), 1, "Plan.resolver is 1"),
    ],
)
def test_a_plan_of_other_types_is_refused(tmp_path: Path, place: tuple[Any, ...], value: Any, told: str) -> None:
    path, _, _ = judge(tmp_path, client=recorded("client"), server=recorded("server"))
    plan = json.loads((path / "plan.json").read_text())
    inner = plan
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(LabError, match=f"plan.json: this is not a plan that lab wrote: .*({told})"):
        load(path)


@pytest.mark.parametrize("change", [{"node": []}, {"ended": "gone"}, {"exit_code": "0"}, {"started": None}])
def test_a_step_of_other_types_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"StepResult.{next(iter(change))} is"):
        as_declared(StepResult(**{"name": "a", "node": "b", "ended": "exited", **change}))


def test_a_record_as_it_is_written_passes() -> None:
    step = StepResult("a", "b", "exited", ready=None, exit_code=0)
    assert as_declared(step) is step
    mark = Mark("end", {"a:eth0": 3}, None, (1, 2), {"a:eth0": 4})
    assert as_declared(mark) is mark
    with pytest.raises(TypeError, match=r"Mark\.ended is 'x'"):
        as_declared(Mark(**{**vars(mark), "ended": {"a:eth0": "x"}}))
