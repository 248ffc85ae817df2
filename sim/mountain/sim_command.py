"""`snowgate sim`: play a scenario and say what came of it, write figures and a report, or compare two ways to run days."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from orchestrator.options import JsonOption, SeedOption
from orchestrator.run import say
from resort.errors import Invalid, Unavailable
from sim.mountain.comparison import compare, measured_comparison
from sim.mountain.day_figures import bottleneck, measured
from sim.mountain.real_load import run_real
from sim.mountain.real_report import write_real_report
from sim.mountain.report import write_report
from sim.mountain.resort_day import ResortDay
from sim.mountain.scenario import Scenario
from sim.mountain.scenario_file import check_scenario, find_scenario, load_scenario
from sim.mountain.virtual_ledger import Keeper

SHOWN = (
    "guests",
    "passages",
    "rides_per_guest",
    "entrance_wait_mean_s",
    "entrance_wait_p95_s",
    "entrance_largest_queue",
    "extra_walk_mean_s",
    "lift_gate_wait_p95_s",
    "line_wait_mean_s",
    "line_wait_p95_s",
    "lane_hours_open",
    "refused_honest",
    "admitted_by_hand",
)


class Mode(StrEnum):
    """How time passes."""

    VIRTUAL = "virtual"
    REAL = "real"


def sim(
    scenario: Annotated[str, typer.Argument(help="A scenario's name, e.g. peak-saturday, or its file.")],
    mode: Annotated[
        Mode, typer.Option(help="virtual: as fast as it goes. real: through a running site's doors.")
    ] = Mode.VIRTUAL,
    speed: Annotated[float, typer.Option("--speed", min=1, max=20, help="Real mode: how much faster than life.")] = 20.0,
    seconds: Annotated[float, typer.Option("--seconds", min=5, help="Real mode: for how long guests come.")] = 60.0,
    seed: SeedOption = 1,
    json_file: JsonOption = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a page with pictures to this file.")] = None,
    journal: Annotated[Path | None, typer.Option("--journal", help="Write the day's journal, a JSON line an event.")] = None,
    policy: Annotated[str | None, typer.Option("--policy", help="Steer by this policy instead; none: no signs.")] = None,
    against: Annotated[str | None, typer.Option("--against", help="Compare with this scenario on the same days.")] = None,
    against_policy: Annotated[str | None, typer.Option("--against-policy", help="Compare with this policy.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="How many days are compared.")] = 5,
) -> None:
    """Play a resort's day and say what came of it."""
    scene = _steered(load_scenario(find_scenario(scenario)), policy)
    if mode is Mode.REAL:
        if journal is not None or against is not None or against_policy is not None:
            raise Invalid("--mode real", "takes --speed, --seconds, --seed, --json and --report only")
        raise typer.Exit(_play_real(scene, seed, speed, seconds, json_file, report))
    if against is None and against_policy is None:
        _play(scene, seed, json_file, report, journal)
        return
    if report is not None or journal is not None:
        raise Invalid("--report and --journal", "are of one day; leave them out when comparing")
    other = scene if against is None else _steered(load_scenario(find_scenario(against)), policy)
    _compare(scene, _steered(other, against_policy), seed, seeds, json_file)


def _steered(scene: Scenario, policy: str | None) -> Scenario:
    if policy is None:
        return scene
    steering = msgspec.structs.replace(scene.steering, policy=policy)
    return check_scenario(msgspec.structs.replace(scene, steering=steering))


def _play(scene: Scenario, seed: int, json_file: Path | None, report: Path | None, journal: Path | None) -> None:
    with _kept(journal) as keep, _progress(scene.name.en) as told:
        day = ResortDay(scene, seed, keep=keep).play(told)
    found = measured(day)
    for name in SHOWN:
        say(f"  {name:32} {found.figures[name]:g}")
    say(f"  journal {day.digest}")
    say(bottleneck(day).text.en + ".")
    if json_file is not None:
        found.write(json_file)
    if report is not None:
        write_report(day, report)
        say(f"Report: {report}")


def _play_real(scene: Scenario, seed: int, speed: float, seconds: float, json_file: Path | None, report: Path | None) -> int:
    """Exit code 0: nothing was lost, invented or admitted twice."""
    with _progress(scene.name.en) as told:
        day = ResortDay(scene, seed).play(told)
    with _progress("tickets, then guests") as shown:
        played = asyncio.run(run_real(day, speed, seconds, say, shown=shown))
    found = played.found
    for name, value in found.figures.items():
        say(f"  {name:32} {value:g}")
    say(played.bottleneck.en + ".")
    if json_file is not None:
        found.write(json_file)
    if report is not None:
        write_real_report(scene, played, report)
        say(f"Report: {report}")
    return 0 if all(found.figures[name] == 0 for name in ("lost_passages", "invented_passages", "duplicates")) else 1


def _compare(a: Scenario, b: Scenario, seed: int, seeds: int, json_file: Path | None) -> None:
    with _progress(f"{seeds} days twice") as told:
        differences = compare(a, b, seed, seeds, told)
    say(f"A: {a.name.en}, {a.steering.policy}. B: {b.name.en}, {b.steering.policy}. {seeds} days from seed {seed}.")
    say(f"  {'':26} {'A':>10} {'B':>10} {'B - A':>10}   95 % interval")
    for found in differences:
        mark = " " if found.sure else "?"
        interval = f"{found.low:.2f} to {found.high:.2f}"
        say(f"  {found.name:26} {found.a:10.2f} {found.b:10.2f} {found.difference:10.2f} {mark} {interval}")
    say("?: the interval holds 0, so these days do not tell the two apart.")
    if json_file is not None:
        measured_comparison(differences, seed, seeds).write(json_file)


@contextmanager
def _kept(path: Path | None) -> Iterator[Keeper | None]:
    """Where the journal's lines go. Raises Unavailable when the file cannot be written."""
    if path is None:
        yield None
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as lines:
            yield lines.write
    except OSError as error:
        raise Unavailable("The journal's file", f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal's error stream; nothing where that goes to a file."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)
