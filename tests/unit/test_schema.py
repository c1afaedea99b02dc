"""The JSON Schemas: valid ones, kept beside the ready-made files, and of one mind with the loader."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab import catalog
from lab.errors import LabError
from lab.schema import KINDS, schema
from lab.yaml.text import parse_yaml, read_text
from tests.unit.yamldata import data_of

BROKEN = Path(__file__).parent.parent / "golden" / "broken"
READY = [*((each, "topology") for each in catalog.topologies()), *((each, "exercise") for each in catalog.exercises())]


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_schemas(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))


def test_an_unknown_kind_gets_the_nearest() -> None:
    with pytest.raises(LabError, match="there is no schema topologie\n  did you mean topology"):
        schema("topologie")


@pytest.mark.parametrize("kind", ["topology", "exercise"])
def test_the_schemas_that_editors_use_are_up_to_date(kind: str) -> None:
    path = catalog.folder() / "schema" / f"{kind}.json"
    text = json.dumps(schema(kind), indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, "UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize(("listed", "kind"), READY, ids=lambda each: getattr(each, "name", each))
def test_the_ready_made_files_fit_and_name_their_schema(listed: catalog.Listed, kind: str) -> None:
    jsonschema.validate(data_of(parse_yaml(read_text(listed.path), "f")[0]), schema(kind))
    first = read_text(listed.path).partition("\n")[0]
    up = "../" if kind == "topology" else "../../"
    assert first == f"# yaml-language-server: $schema={up}schema/{kind}.json"


def accepted_by_schema(data: Any, kind: str) -> bool:
    return jsonschema.Draft202012Validator(schema(kind)).is_valid(data)


# What a schema cannot see: how values stand to each other, to other files and to the numbers in a text.
BEYOND_A_SCHEMA = """
exercise-calls-not-recorded exercise-check-filter
exercise-check-id-twice exercise-check-needs-circle exercise-check-needs-unknown exercise-key-twice
exercise-node-unknown exercise-payload-too-large exercise-privilege-everywhere exercise-step-command-blank
exercise-step-timeout-long
exercise-step-twice exercise-submission-missing exercise-topology-broken exercise-topology-none
exercise-topology-path exercise-topology-unknown exercise-value-type exercise-value-unknown
topology-address-broadcast topology-address-leading-zeros topology-address-network topology-address-not-one
topology-address-other-family topology-address-outside topology-address-prefix-length topology-address-twice
topology-image-netns
topology-key-twice topology-mac-twice topology-mac-zero topology-mtu-exponent topology-mtu-ipv6 topology-mtu-octal
topology-network-unknown topology-network-without-members topology-node-name-reserved topology-node-names-clash
topology-route-connected topology-route-family topology-route-next-hop-nobody topology-route-next-hop-self
topology-route-next-hop-unreachable topology-route-twice topology-subnet-everything topology-subnet-full
topology-subnet-host-bits topology-subnet-length-out-of-range topology-subnet-link-local topology-subnet-loopback
topology-subnet-multicast topology-subnet-one-address topology-subnets-overlap
""".split()  # noqa: SIM905 - as a list it would be all quotes


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_refuses_what_the_loader_refuses_where_it_can(path: Path) -> None:
    try:
        root, _ = parse_yaml(read_text(path), "f")
    except LabError:
        return  # no data that a schema could see
    kind: str = "exercise" if path.name.startswith("exercise") else "topology"
    assert accepted_by_schema(data_of(root), kind) is (path.stem in BEYOND_A_SCHEMA)


def test_a_report_fits_its_schema_and_an_odd_one_does_not() -> None:
    report = {
        "exercise": "tcp-echo",
        "verdict": "passed",
        "grade": {"points": 1, "of": 2},
        "checks": [],
        "causes": [],
        "gaps": [],
        "run": "runs/x",
        "more": 1,
    }
    assert accepted_by_schema(report, "report")
    assert not accepted_by_schema({**report, "verdict": "skipped"}, "report")
    assert not accepted_by_schema({"checks": []}, "report")
