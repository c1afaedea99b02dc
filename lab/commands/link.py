"""The links of a lab that is up: shown, changed, cut and joined again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab import console
from lab import grammar as g
from lab.commands.labs import each_lab, find_lab
from lab.errors import LabError
from lab.plan import Plan
from lab.runtime.base import LiveLab
from lab.topology.links import PLAIN, PROFILES, Link, link_from_json, link_to_json

_GRAMMARS: Mapping[str, Any] = {
    "rate": g.Rate(),
    "delay": g.Duration(most=10),
    "jitter": g.Duration(most=10),
    "loss": g.Share(),
    "for": g.Duration(most=3600),
    "profile": g.Choice(*PROFILES),
}


def link(
    words: Sequence[str],
    given: Mapping[str, str | None],
    runtime: str | None,
    *,
    plain: bool = False,
    cut: bool | None = None,
    as_json: bool = False,
) -> None:
    """Change the link of a network, or cut or join (`cut` is False) a network or an interface; then show the links.

    `given` are the options as they were typed: a profile, the properties that win over it, and how long a cut lasts.
    """
    name, place = _lab_and_place(words, runtime)
    values = {key: _value(key, text) for key, text in given.items() if text is not None}
    seconds = values.pop("for", None)
    if place is None and (values or plain or cut is not None):
        raise LabError("nothing says which link is meant", hint="lab link wan --delay 20ms, lab link r1:eth0 --cut")
    if seconds is not None and not cut:
        raise LabError("--for says how long a cut lasts", hint="lab link wan --cut --for 2s")
    owner, info = find_lab(name, runtime)
    lab = owner.open(info.name)
    try:
        order = _order(lab, place, values, seconds, plain=plain, cut=cut) if place is not None else {}
        report = lab.relay(order)
    finally:
        lab.close()
    rows = list(_rows(lab.plan, report))
    if as_json:
        keys = ("network", "link", "by", "cut")
        console.show_json({"lab": lab.name, "links": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    told = [(network, link_from_json(data), by, ", ".join(off) or "-") for network, data, by, off in rows]
    console.show(console.table(("NETWORK", "LINK", "CARRIED BY", "CUT OFF"), told))


def _lab_and_place(words: Sequence[str], runtime: str | None) -> tuple[str | None, str | None]:
    """`[LAB] [NETWORK|NODE:IFACE]`: a single word is a lab's name only where a lab has it."""
    if len(words) > 2:
        raise LabError(f"{words[2]} is one word too many", hint="lab link [LAB] NETWORK|NODE:IFACE")
    if len(words) == 2:
        return words[0], words[1]
    if not words:
        return None, None
    labs = [info.name for _, info in each_lab(runtime)]
    return (words[0], None) if words[0] in labs else (None, words[0])


def _value(key: str, text: str) -> Any:
    try:
        return _GRAMMARS[key].parse(text, g.Context(problems=[]))
    except g.Refused as refused:
        raise LabError(f"--{key}: {refused.what}", hint=refused.hint) from None


def _order(
    lab: LiveLab, place: str, values: dict[str, Any], seconds: float | None, *, plain: bool, cut: bool | None
) -> dict[str, Any]:
    """What the relay has to do; nothing where nothing is to be changed."""
    networks = {each.name: each for each in lab.plan.networks}
    points = [each.point for each in lab.plan.interfaces if place in (each.network, each.point)]
    if not points:
        known = [*networks, *lab.plan.points]
        raise LabError(f"lab {lab.name} has no network or interface {place}", hint="it has " + ", ".join(known[:12]))
    if place not in networks and (values or plain):
        network = lab.plan.points[place].network
        hint = f"a link's properties are its network's: lab link {network} …"
        raise LabError(f"{place} can be cut and restored, and nothing else", hint=hint)
    order: dict[str, Any] = {"networks": [lab.plan.points[points[0]].network]}
    if values or plain:
        now = _links(lab.plan, lab.relay({}))[place]
        base = PROFILES[values.pop("profile")] if "profile" in values else PLAIN if plain else now
        wanted = replace(base, **values)
        if wanted.jitter > wanted.delay:
            what = f"a jitter of {wanted.jitter * 1000:g}ms is more than the delay of {wanted.delay * 1000:g}ms"
            raise LabError(what, hint="a frame cannot arrive before it was sent: give a longer delay")
        order["links"] = {place: link_to_json(wanted)}
    if cut:
        order |= {"cut": points, "seconds": seconds}
    elif cut is False:
        order["restore"] = points
    return order if len(order) > 1 else {}


def links_now(lab: LiveLab) -> Plan:
    """A lab's plan with its links as they are now."""
    now = _links(lab.plan, lab.relay({}))
    networks = tuple(replace(each, link=now[each.name]) for each in lab.plan.networks)
    return replace(lab.plan, networks=networks)


def _links(plan: Plan, report: Mapping[str, Any]) -> dict[str, Link]:
    carried = report["networks"]
    return {
        each.name: link_from_json(carried[each.name]["link"]) if each.name in carried else each.link
        for each in plan.networks
    }


def _rows(plan: Plan, report: Mapping[str, Any]) -> list[tuple[str, dict[str, Any], str, list[str]]]:
    """Each network with its link, what carries it, and its interfaces that are cut off."""
    links, carried = _links(plan, report), report["networks"]
    cut = {point for each in carried.values() for point, port in each["ports"].items() if port["cut"]}
    return [
        (
            each.name,
            link_to_json(links[each.name]),
            "relay" if each.name in carried else "bridge",
            [point for point, interface in plan.points.items() if interface.network == each.name and point in cut],
        )
        for each in plan.networks
    ]
