"""The resolved network: what runtimes build and checks judge by."""

from lab.plan.data import plan_from_json, plan_to_json
from lab.plan.make import make_plan
from lab.plan.model import Plan, PlannedInterface, PlannedNetwork, PlannedNode, PlannedRoute
from lab.plan.paths import expected_path, next_hop

__all__ = [
    "Plan",
    "PlannedInterface",
    "PlannedNetwork",
    "PlannedNode",
    "PlannedRoute",
    "expected_path",
    "make_plan",
    "next_hop",
    "plan_from_json",
    "plan_to_json",
]
