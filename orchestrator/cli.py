"""The `snowgate` command. Every failure is one sentence; exit 0 means that what was promised held."""

import asyncio
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.device_command import device
from orchestrator.doctor import examine
from orchestrator.drills import Drill, DrillAsk
from orchestrator.face_command import face
from orchestrator.face_trial_command import face_compare, face_identify, face_pairs
from orchestrator.keys import channel_key, keys
from orchestrator.measured import Bench, Measured, Trainer
from orchestrator.opening import Opening
from orchestrator.options import DATA, DEMO_SITE, DataOption, JsonOption, SeedOption, SiteOption
from orchestrator.read_command import read_pictures
from orchestrator.run import run_up, say
from orchestrator.settings import load_site, places
from orchestrator.speech_command import device_say
from orchestrator.tickets import ticket
from orchestrator.users import add_user, set_password
from resort.errors import NotFound, PartMissing, SnowgateError

app = typer.Typer(help="Snowgate: tickets on every channel, gates that admit their holders.", no_args_is_help=True)
user = typer.Typer(help="People who may sign in.", no_args_is_help=True)
app.add_typer(user, name="user")
app.add_typer(keys, name="keys")
app.add_typer(channel_key, name="channel-key")
app.add_typer(ticket, name="ticket")
app.add_typer(face, name="face")
app.add_typer(device, name="device")
device.command("say")(device_say)
app.command("read")(read_pictures)
face.command("compare")(face_compare)
face.command("pairs")(face_pairs)
face.command("identify")(face_identify)


@app.command()
def up(
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
    for_s: Annotated[float | None, typer.Option("--for", min=1, help="Run this many seconds, then close.")] = None,
    json_file: JsonOption = None,
    seed: SeedOption = 1,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Console port; 0 takes a free one.")] = None,
    guests: Annotated[bool, typer.Option(help="Send simulated guests where devices are simulated.")] = True,
    drill_file: Annotated[Path | None, typer.Option("--drill", hidden=True)] = None,
) -> None:
    """Open the resort and run it until Ctrl-C."""
    raise typer.Exit(asyncio.run(run_up(Opening(site, data, seed, port, guests, drill_file), for_s, json_file)))


@app.command()
def doctor(site: SiteOption = DEMO_SITE, data: DataOption = DATA) -> None:
    """Say what works here and what is missing, each with what to do."""
    findings = asyncio.run(examine(site, data))
    for finding in findings:
        say(str(finding))
    raise typer.Exit(0 if all(finding.good or not finding.needed for finding in findings) else 1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="What to measure, e.g. gate.")],
    json_file: JsonOption = None,
    seed: SeedOption = 1,
    seconds: Annotated[float, typer.Option(min=1, help="How long each part is measured.")] = 5.0,
) -> None:
    """Measure something, beside limits measured in the same run."""
    measure: Bench = _plugged("bench", "snowgate.benches", name)
    outcome = asyncio.run(measure(seed, seconds, say))
    _tell(outcome, json_file)


@app.command()
def drill(
    name: Annotated[str, typer.Argument(help="What to break under load, e.g. lane.")],
    json_file: JsonOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the guests and of the faults.")] = 1,
    kills: Annotated[int, typer.Option("--kills", min=1, help="How many faults.")] = 5,
    control: Annotated[bool, typer.Option("--control", help="Turn the guard off: then the failure must show.")] = False,
) -> None:
    """Break something under load and check the whole history from outside. Exit 0: what was promised held."""
    practise: Drill = _plugged("drill", "snowgate.drills", name)
    outcome = asyncio.run(practise(DrillAsk(seed, kills, control), say))
    _tell(outcome.measured, json_file)
    for remark in outcome.remarks:
        say(f"! {remark}")
    raise typer.Exit(0 if outcome.held else 1)


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="What to train: demand.")],
    site: SiteOption = DEMO_SITE,
    data: DataOption = DATA,
    json_file: JsonOption = None,
    seed: SeedOption = 1,
) -> None:
    """Train a model on the resort's own journal; it serves only if it beats the one that does. Needs the extra `train`."""
    try:
        trainer: Trainer = _plugged("trainer", "snowgate.trainers", name)
    except ModuleNotFoundError as error:
        raise PartMissing(f"The library {error.name}", "install snowgate with the extra `train`") from None
    _tell(asyncio.run(trainer(site, data, seed, say)), json_file)


def _plugged(what: str, group: str, name: str) -> Any:
    """What a room above registered under this name. Raises NotFound with the names that there are."""
    points = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        raise NotFound(what, f"{name} (there are: {', '.join(sorted(points))})")
    return points[name].load()


def _tell(outcome: Measured, json_file: Path | None) -> None:
    for group in (outcome.figures, outcome.limits, outcome.ratios):
        for figure, value in group.items():
            say(f"  {figure:32} {value:g}")
    if json_file is not None:
        outcome.write(json_file)


@user.command("add")
def user_add(
    name: str,
    role: Annotated[str, typer.Option(help="admin, control_room, cashier or viewer.")],
    data: DataOption = DATA,
) -> None:
    """Add somebody; the password is asked for."""
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    asyncio.run(add_user(places(data), name, role, password))
    say(f"{name} may sign in as {role}.")


@user.command("password")
def user_password(name: str, data: DataOption = DATA) -> None:
    """Set a new password, which is asked for; the user's sessions end."""
    password = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    asyncio.run(set_password(places(data), name, password))
    say(f"{name} has a new password.")


@app.command("check-site")
def check_site_file(site: SiteOption = DEMO_SITE) -> None:
    """Check a site file and say what it describes."""
    found = load_site(site)
    say(f"{found.name.en}: {len(found.gates)} gates, {len(found.lanes())} lanes, {len(found.products)} products.")


def main() -> None:
    """Entry point: commands of rooms above plug in by the group `snowgate.commands`."""
    for point in entry_points(group="snowgate.commands"):
        app.command(point.name)(point.load())
    try:
        app()
    except SnowgateError as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
