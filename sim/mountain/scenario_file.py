"""Reading a scenario and checking what types alone cannot. Every failure is one sentence that names the place."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import msgspec
import yaml

from orchestrator.balance import POLICIES
from resort.errors import InvalidConfig, NotFound
from sim.mountain.scenario import FireDrill, GateLoss, LiftStop, Scenario

FOLDER = Path("config/scenarios")
UNSTEERED = "none"  # the policy of signs that say nothing
MOST_LANES = 200
LAID_OVER = ("Scenario", "DayScene", "ArrivalScene", "ServiceScene", "SaleScene")  # maps, whose keys are merged
SHARES_OFF = 0.011


def find_scenario(name: str, folder: Path = FOLDER) -> Path:
    """The file of that name (`peak-saturday`), or the path itself. Raises NotFound with the names that there are."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return path
    found = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    if name not in found:
        raise NotFound("scenario", f"{name} (there are: {', '.join(found) or 'none'})")
    return found[name]


def load_scenario(path: Path) -> Scenario:
    """The scenario in `path`. A file with `like: NAME` takes everything that it does not say from that one beside it.
    Raises InvalidConfig in one sentence."""
    try:
        return check_scenario(msgspec.convert(_tree(path, ()), Scenario))
    except msgspec.ValidationError as error:
        raise InvalidConfig(f"scenario {path.name}", str(error)) from None


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors; `config/scenarios/scenario.schema.json` is it."""
    schema: dict[str, Any] = msgspec.json.schema(Scenario)
    for part in LAID_OVER:  # what a file does not say of these may be in the one that it is like
        del schema["$defs"][part]["required"]
    schema["$defs"]["Scenario"]["properties"]["like"] = {
        "type": "string",
        "description": "The scenario beside this file that says the rest.",
    }
    return schema


def _tree(path: Path, seen: tuple[Path, ...]) -> dict[str, object]:
    if path in seen:
        raise InvalidConfig(f"scenario {path.name}", "is like itself")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfig("scenario", f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidConfig("scenario", f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise InvalidConfig(f"scenario {path.name}", "is not a list of keys with values")
    like = tree.pop("like", None)
    if like is None:
        return tree
    return _laid_over(_tree(path.with_name(f"{like}.yaml"), (*seen, path)), tree)


def _laid_over(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    """Maps are merged key by key; whatever else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _laid_over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def check_scenario(scene: Scenario) -> Scenario:
    """The same scenario, if it makes sense. Raises InvalidConfig naming the first place that does not."""
    if scene.timezone not in available_timezones():
        raise InvalidConfig("timezone", f"{scene.timezone} is not a known time zone")
    areas = {gate.area for gate in scene.gates if not gate.lift}
    if not areas:
        raise InvalidConfig("gates", "at least one gate must be an entrance, which has no lift")
    _unique("gates.id", (gate.id for gate in scene.gates))
    _unique("lifts.id", (lift.id for lift in scene.lifts))
    _unique("arrivals.sources.id", (source.id for source in scene.arrivals.sources))
    _unique("tickets.code", (ticket.code for ticket in scene.tickets))
    lanes = sum(gate.lanes for gate in scene.gates)
    if lanes > MOST_LANES:
        raise InvalidConfig("gates.lanes", f"{lanes} lanes in all are more than {MOST_LANES}")
    _check_arrivals(scene)
    _check_tickets(scene)
    _check_mountain(scene)
    _check_incidents(scene)
    known = (UNSTEERED, *POLICIES)
    if scene.steering.policy not in known:
        raise InvalidConfig("steering.policy", f"{scene.steering.policy} is not one of {', '.join(known)}")
    for shift in scene.shifts:
        if shift.to_min <= shift.from_min:
            raise InvalidConfig("shifts", f"the one from minute {shift.from_min:g} ends before it begins")
    return scene


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidConfig(what, f"{name} stands there twice")
        seen.add(name)


def _sum_to_one(what: str, shares: Iterable[float]) -> None:
    total = sum(shares)
    if abs(total - 1) > SHARES_OFF:
        raise InvalidConfig(what, f"shares add up to {total:g} and not to 1")


def _check_arrivals(scene: Scenario) -> None:
    arrivals = scene.arrivals
    _sum_to_one("arrivals.sources.share", (source.share for source in arrivals.sources))
    _sum_to_one("arrivals.party_share", arrivals.party_share)
    times = [minute for minute, _ in arrivals.profile]
    if len(times) < 2 or any(later <= earlier for earlier, later in pairwise(times)):
        raise InvalidConfig("arrivals.profile", "needs at least two points, each later than the one before")
    if any(rate < 0 for _, rate in arrivals.profile) or not any(rate for _, rate in arrivals.profile):
        raise InvalidConfig("arrivals.profile", "needs rates that are not negative, and one above 0")
    sources = {source.id for source in arrivals.sources}
    for convoy in arrivals.convoys:
        _known("arrivals.convoys.source", convoy.source, sources)


def _check_tickets(scene: Scenario) -> None:
    _sum_to_one("tickets.share", (ticket.share for ticket in scene.tickets))
    places = {gate.id for gate in scene.gates} | {gate.area for gate in scene.gates}
    for ticket in scene.tickets:
        _sum_to_one(f"ticket {ticket.code}: media", ticket.media.values())
        for medium in ticket.media:
            if medium not in scene.service:
                raise InvalidConfig(f"ticket {ticket.code}", f"is shown as {medium}, for which `service` says nothing")
        for place in ticket.gates:
            _known(f"ticket {ticket.code}: gates", place, places)


def _check_mountain(scene: Scenario) -> None:
    starts = {lift.area for lift in scene.lifts}
    for lift in scene.lifts:
        if not lift.runs:
            raise InvalidConfig(f"lift {lift.id}", "needs a run, or nobody comes down again")
        _sum_to_one(f"lift {lift.id}: runs.share", (run.share for run in lift.runs))
        for run in lift.runs:
            _known(f"lift {lift.id}: runs.to", run.to, starts)
    for gate in scene.gates:
        _known(f"gate {gate.id}: area", gate.area, starts)
        if gate.lift:
            _known(f"gate {gate.id}: lift", gate.lift, {lift.id for lift in scene.lifts})
    _unique("gates.lift", (gate.lift for gate in scene.gates if gate.lift))
    for restaurant in scene.restaurants:
        _known(f"restaurant {restaurant.id}: area", restaurant.area, starts)


def _check_incidents(scene: Scenario) -> None:
    for incident in scene.incidents:
        match incident:
            case LiftStop():
                _known("incidents.lift", incident.lift, {lift.id for lift in scene.lifts})
            case GateLoss():
                _known("incidents.gate", incident.gate, {gate.id for gate in scene.gates})
            case FireDrill():
                _known("incidents.area", incident.area, {gate.area for gate in scene.gates})


def _known(what: str, name: str, names: set[str]) -> None:
    if name not in names:
        raise InvalidConfig(what, f"{name} is not one of {', '.join(sorted(names))}")
