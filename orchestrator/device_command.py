"""`snowgate device …`: which controllers there are profiles for, whether one conforms, and one to practise on.

The examination is `devices/conformance.py`; simulated controllers come from a room above, by `orchestrator/device_players.py`.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Annotated, Any, TypeVar

import typer

from devices.conformance import examine
from devices.conformance_bench import Attendant
from devices.conformance_card import CHECKS, Card, card_line
from devices.profile import TurnstileProfile, load_profile
from devices.profile_table import HEADINGS, bundled_profiles, profile_line, profile_rows, profile_settings
from orchestrator.device_players import PlayOrder, turnstile_player
from orchestrator.measured import Measured, machine
from orchestrator.options import JsonOption
from orchestrator.run import say
from orchestrator.typed_lines import TypedLines
from resort.clock import SystemClock
from resort.errors import Invalid, NotFound
from resort.site import TurnstileSite

WRONG = 2  # exit code: what was asked for makes no sense
INTERRUPTED = 130
SIMULATED = "simulated"  # an address, as in a site file
T = TypeVar("T")

device = typer.Typer(
    help="Controllers at the lanes: their profiles, whether they conform, and one to practise on.", no_args_is_help=True
)

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="A bundled profile's name, or a YAML file.")]
UnitOption = Annotated[list[int] | None, typer.Option("--unit", help="The unit behind the address (1); twice for two.")]


class Checked(Measured, frozen=True):
    """An examination as a file: the shape of everything that measures, and the card."""

    profile: str
    address: str
    units: tuple[int, ...]
    held: bool
    checks: list[dict[str, str]]  # check, promise, verdict, reason


@device.command("list")
def device_list() -> None:
    """List the bundled profiles."""
    for name in bundled_profiles():
        say(profile_line(name))


@device.command("show")
def device_show(profile: ProfileArgument) -> None:
    """Print a profile's map as a table."""
    found = _asked_plainly(profile)
    say(found.name)
    for line in profile_settings(found):
        say(f"  {line}")
    rows = [HEADINGS, *profile_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        say("  " + "  ".join([*cells, row[-1]]))


@device.command("check")
def device_check(
    profile: ProfileArgument,
    address: Annotated[str, typer.Option("--address", help="Such as tcp://192.168.10.21:502, or `simulated`.")],
    unit: UnitOption = None,
    attended: Annotated[bool, typer.Option("--attended", help="Somebody is there to look and to turn the arm.")] = False,
    json_file: JsonOption = None,
) -> None:
    """Examine a controller, real or simulated. Unlocks its arm several times! Exit 0: everything that must hold does."""
    units = _units(unit)
    loaded = _asked_plainly(profile)
    say(f"{loaded.name} at {address}, unit {', '.join(map(str, units))}. Its arm will unlock: let nobody through.")
    try:
        card = _run(_examined(profile, loaded, address, units, attended=attended))
    except asyncio.CancelledError:
        print("snowgate: ended before it was done.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    say(f"{loaded.name} {card.summary()}.")
    if json_file is not None:
        _checked(card, loaded).write(json_file)
    raise typer.Exit(0 if card.held else 1)


@device.command("play")
def device_play(
    profile: ProfileArgument,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where it listens on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    unit: UnitOption = None,
    fault: Annotated[str, typer.Option("--fault", help="What it does wrongly; `--fault list` lists what there is.")] = "",
    address: Annotated[
        str,
        typer.Option("--address", help="In place of a port: rtu+tcp://127.0.0.1:4001, serial:///dev/ttyUSB1, or `serial`."),
    ] = "",
    for_s: Annotated[float | None, typer.Option("--for", min=0.1, help="Serve this many seconds.")] = None,
) -> None:
    """Play a controller until Ctrl-C. Type `in`, `out`, `fire`, `fault` or `tamper` to do what somebody at it would."""
    if fault == "list":
        for name, says in turnstile_player().faults.items():
            say(f"{name:16} {says}")
        return
    with suppress(TimeoutError, asyncio.CancelledError):  # its ordinary ends
        _run(_played(PlayOrder(profile, _units(unit), port, fault, address), for_s))


async def _examined(named: str, profile: TurnstileProfile, address: str, units: tuple[int, ...], *, attended: bool) -> Card:
    async with AsyncExitStack() as stack:
        stack.enter_context(_quiet_devices())
        if address == SIMULATED:
            address = await stack.enter_async_context(_simulated(PlayOrder(named, units)))
        somebody: Attendant | None = None
        if attended:
            somebody = _AtTheTerminal(await stack.enter_async_context(TypedLines()))
        site = TurnstileSite(address, units[0], profile.name)
        return await examine(
            site,
            profile,
            SystemClock(),
            lambda finding: say(card_line(finding)),
            other_units=units[1:],
            attendant=somebody,
        )


@contextmanager
def _quiet_devices() -> Iterator[None]:
    """Edges of the line are the card's to tell, in its own words."""
    log = logging.getLogger("devices")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@asynccontextmanager
async def _simulated(order: PlayOrder) -> AsyncIterator[str]:
    player = turnstile_player()
    address = await player.start(order, lambda _: None)
    try:
        yield address
    finally:
        await player.stop()


async def _played(order: PlayOrder, for_s: float | None) -> None:
    player = turnstile_player()
    address = await player.start(order, say)
    try:
        say(
            f"{order.profile} at {address}, unit {', '.join(map(str, order.units))}{f', {order.fault}' if order.fault else ''}."
        )
        async with asyncio.timeout(for_s):
            with suppress(Invalid):  # nobody can type: it serves all the same
                async with TypedLines() as typed:
                    while (line := await typed.line()) is not None:
                        try:
                            say(player.act(line))
                        except Invalid as error:
                            say(str(error))
            await asyncio.Event().wait()
    finally:
        await player.stop()


class _AtTheTerminal:
    """Implements Attendant by asking who sits there."""

    def __init__(self, typed: TypedLines) -> None:
        self._typed = typed

    async def ask(self, request: str) -> None:
        """Wait until they are ready."""
        say(f"> {request} Press Enter when you are ready.")
        await self._typed.line()

    async def confirm(self, question: str) -> bool:
        """Yes, or anything else."""
        say(f"> {question} [y/n]")
        return (await self._typed.line() or "").lower() in ("y", "yes")


def _checked(card: Card, profile: TurnstileProfile) -> Checked:
    figures = {name: value for finding in card.findings for name, value in finding.figures.items()}
    checks = [
        {"check": finding.check, "promise": CHECKS[finding.check], "verdict": finding.verdict, "reason": finding.reason}
        for finding in card.findings
    ]
    limits = {"timeout_ms": float(profile.timings.timeout_ms), "open_window_ms": float(profile.timings.open_window_ms)}
    ratios = {"status_p99_per_timeout": figures["status_p99_ms"] / limits["timeout_ms"]} if "status_p99_ms" in figures else {}
    what = card.profile, card.address, card.units, card.held
    return Checked("device_check", 0, machine(), figures, limits, ratios, *what, checks)


def _units(unit: list[int] | None) -> tuple[int, ...]:
    units = tuple(unit or [1])
    if len(set(units)) != len(units) or any(not 0 <= one <= 255 for one in units):
        print("snowgate: --unit: units are different numbers from 0 to 255.", file=sys.stderr)
        raise typer.Exit(WRONG)
    return units


def _asked_plainly(profile: str) -> TurnstileProfile:
    """The profile; one that cannot be used is one sentence and exit code 2."""
    try:
        return load_profile(profile)
    except Invalid as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(WRONG) from None


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Its outcome. Ctrl-C and SIGTERM end it in order, with whatever it has to put right, and raise CancelledError; wrong input
    is exit code 2."""

    async def watched() -> T:
        task = asyncio.ensure_future(work)

        def end() -> None:
            if not task.cancelling():  # putting things right takes a few seconds, and is not cut short
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        return await task

    try:
        return asyncio.run(watched())
    except (Invalid, NotFound) as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(WRONG) from None
