"""One examination for every turnstile controller, real or simulated, by its profile alone: `examine` answers a card.

The checks are in `devices/conformance_rest.py` (nothing moves), `conformance_arm.py` (lamp and arm) and `conformance_wire.py`
(a hand on the line); this file puts them in order, says which cannot be tried after another failed, and leaves the
controller as it must be left: locked, its lamp idle, whatever happened, also when the examination is cancelled.
Unlocks the arm several times: nobody may stand in it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

import msgspec

from devices.conformance_arm import fire_release, lamp, neighbours, pulse, turn, untried, way_out
from devices.conformance_bench import Attendant, Bench, Limits, restore
from devices.conformance_card import CHECKS, Card, Finding
from devices.conformance_line import TAPPED, TappedLine
from devices.conformance_rest import (
    firmware,
    inputs,
    locked_at_rest,
    quiet_readings,
    reachable,
    status_steady,
    unknown_address,
)
from devices.conformance_wire import late_reply, reconnect, write_echo
from devices.modbus_bus import BusRegistry
from devices.profile import TurnstileProfile
from devices.turnstile import open_turnstile
from resort.clock import Clock
from resort.errors import TurnstileUnreachable
from resort.site import TurnstileSite

AWAY_MS = 3_000.0  # how long a controller that fell silent is waited for to put it right

Tell = Callable[[Finding], None]


async def examine(
    site: TurnstileSite,
    profile: TurnstileProfile,
    clock: Clock,
    tell: Tell,
    *,
    other_units: Sequence[int] = (),
    limits: Limits | None = None,
    attendant: Attendant | None = None,
) -> Card:
    """Try everything with the controller at `site`; each finding goes to `tell` as it comes. Takes some three to six open
    windows.

    `other_units` behind the same bus take part in `neighbours` only. With an `attendant` the checks that need hands and eyes
    are tried too. Raises InvalidConfig on an unusable address or unit; a controller's failure is a finding.
    """
    examination = _Examination(site, profile, clock, tell, limits or Limits(), attendant)
    try:
        await examination.run_directly(other_units)
        await examination.run_tapped()
    finally:
        await examination.leave()
    return examination.card((site.unit, *other_units))


class _Examination:
    """The findings so far, and what may still be tried after them."""

    def __init__(
        self,
        site: TurnstileSite,
        profile: TurnstileProfile,
        clock: Clock,
        tell: Tell,
        limits: Limits,
        attendant: Attendant | None,
    ) -> None:
        self._site, self._profile, self._clock, self._tell = site, profile, clock, tell
        self._limits, self._attendant = limits, attendant
        self._found: dict[str, Finding] = {}
        self._moved: tuple[int, ...] = ()  # units whose lamp or arm may have been touched

    def card(self, units: tuple[int, ...]) -> Card:
        """Everything that was found."""
        order = list(CHECKS)
        findings = sorted(self._found.values(), key=lambda finding: order.index(finding.check))
        return Card(self._profile.name, self._site.bus, units, tuple(findings))

    async def run_directly(self, other_units: Sequence[int]) -> None:
        """Every check that needs no more than the driver."""
        async with AsyncExitStack() as stack:
            buses = BusRegistry()
            bench = await self._bench(stack, buses, self._site)
            for unit in other_units:
                other = msgspec.structs.replace(self._site, unit=unit)
                bench.neighbours[unit] = (await self._bench(stack, buses, other)).turnstile
            await self._step(("reachable",), (), partial(reachable, bench))
            await self._step(("firmware",), ("reachable",), partial(firmware, bench))
            await self._step(("status_steady",), ("reachable",), partial(status_steady, bench))
            await self._step(("inputs",), ("reachable",), partial(inputs, bench))
            await self._step(("locked_at_rest",), ("reachable",), partial(locked_at_rest, bench))
            await self._step(("counters_rest", "latency"), ("reachable",), partial(quiet_readings, bench))
            await self._step(("unknown_address",), ("reachable",), partial(unknown_address, bench, buses))
            self._moved = (self._site.unit,) if self._passed("reachable") else ()
            await self._step(("lamp",), ("reachable",), partial(lamp, bench))
            pulsed = ("pulse_unlocks", "relocks", "pulse_not_counted")
            await self._step(pulsed, ("reachable", "locked_at_rest"), partial(pulse, bench))
            able = ("reachable", "locked_at_rest", "pulse_unlocks", "relocks")
            counting = ("reachable", "counters_rest")
            await self._step(("turn_counted_once",), (*able, *counting) if self._attendant else (), partial(turn, bench))
            await self._step(("way_out_counted",), counting if self._attendant else (), partial(way_out, bench))
            await self._step(("fire_release",), ("reachable",), partial(fire_release, bench))
            try:
                await self._step(("neighbours",), able if other_units else (), partial(neighbours, bench))
            finally:
                if bench.neighbours_answer:
                    self._moved = (self._site.unit, *other_units)

    async def run_tapped(self) -> None:
        """Every check that needs a hand on the line, where there is a line that can be held."""
        checks = ("write_echo", "reconnect", "late_reply")
        if urlsplit(self._site.bus).scheme not in TAPPED:
            for check in checks:
                self._note(Finding(check, "skipped", "a serial line cannot be held from here"))
            return
        tap = TappedLine(self._site.bus)
        async with AsyncExitStack() as stack:
            await tap.start()
            stack.push_async_callback(tap.stop)
            through = msgspec.structs.replace(self._site, bus=tap.address)
            bench = await self._bench(stack, BusRegistry(), through)
            able = ("reachable", "locked_at_rest", "pulse_unlocks", "relocks")
            await self._step(("write_echo",), ("reachable",), partial(write_echo, bench, tap))
            await self._step(("reconnect",), able, partial(reconnect, bench, tap))
            await self._step(("late_reply",), able, partial(late_reply, bench, tap))

    async def leave(self) -> None:
        """Lamp idle, arm locked: of every unit that may have been moved, over a connection of its own."""
        if not self._moved:
            if self._found:  # else not even the address made sense
                self._note(Finding("restored", "skipped", "nothing was moved"))
            return
        all_well, said = True, list[str]()
        for unit in self._moved:
            async with AsyncExitStack() as stack:
                bench = await self._bench(stack, BusRegistry(), msgspec.structs.replace(self._site, unit=unit))
                well, how = await restore(bench, AWAY_MS)
                all_well = all_well and well
                said.append(f"unit {unit}: {how}")
        self._note(Finding("restored", "pass" if all_well else "fail", "; ".join(said)))

    async def _bench(self, stack: AsyncExitStack, buses: BusRegistry, site: TurnstileSite) -> Bench:
        turnstile = await open_turnstile(buses, site, self._profile)
        stack.push_async_callback(turnstile.close)
        return Bench(site, self._profile, self._limits, self._clock, turnstile, attendant=self._attendant)

    async def _step(self, checks: Sequence[str], needs: Sequence[str], run: Callable[[], Awaitable[list[Finding]]]) -> None:
        missing = [need for need in needs if not self._passed(need)]
        if missing:
            found = untried(checks, f"{missing[0]} did not pass")
        else:
            try:
                found = await run()
            except TurnstileUnreachable as error:
                found = [Finding(check, "fail", f"it stopped answering: {error.detail}") for check in checks]
        for finding in found:
            self._note(finding)

    def _passed(self, check: str) -> bool:
        return check in self._found and self._found[check].verdict == "pass"

    def _note(self, finding: Finding) -> None:
        self._found[finding.check] = finding
        self._tell(finding)
