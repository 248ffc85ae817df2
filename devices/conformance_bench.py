"""What the checks of a turnstile controller share: the driver, limits, somebody at the device, and the patience to look again.

No verdicts; those are in `devices/conformance_*.py`. Time comes from a Clock; waiting between two looks is real.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from devices.profile import TurnstileProfile
from resort.clock import Clock, Moment
from resort.errors import TurnstileUnreachable
from resort.ports import Turnstile, TurnstileStatus
from resort.site import TurnstileSite


class Limits(msgspec.Struct, frozen=True):
    """What is called good, and how long is looked."""

    readings: int = 100  # for latency and for what must not move
    pause_ms: float = 20.0  # between two looks
    unlock_ms: float = 250.0  # from the confirmed pulse to the first reading that says unlocked
    window_share: float = 0.10  # the open window may differ by this share of it …
    window_ms: float = 100.0  # … and this much more
    latency_share: float = 0.5  # p99 of a status request, as a share of the profile's time-out
    serve_within_ms: float = 1_000.0  # after a dropped connection
    push_within_s: float = 20.0  # somebody at the device gets this long to push

    def tolerance_ms(self, profile: TurnstileProfile) -> float:
        """How far the open window may be off."""
        return self.window_share * profile.timings.open_window_ms + self.window_ms


class Attendant(Protocol):
    """Somebody who stands at the device and does what is asked."""

    async def ask(self, request: str) -> None:
        """Say what to do now; answers at once, the device shows whether it was done."""
        ...

    async def confirm(self, question: str) -> bool:
        """Ask what only eyes can see."""
        ...


class Watched(msgspec.Struct, frozen=True):
    """A reading and when it was asked for and answered."""

    status: TurnstileStatus
    asked: Moment
    answered: Moment


@dataclass(slots=True)
class Bench:
    """One controller under examination. `turnstile` is its driver for the moment."""

    site: TurnstileSite
    profile: TurnstileProfile
    limits: Limits
    clock: Clock
    turnstile: Turnstile
    neighbours: dict[int, Turnstile] = field(default_factory=dict)
    attendant: Attendant | None = None
    neighbours_answer: bool = False  # and may have been moved since

    async def look(self) -> Watched:
        """One reading. Raises TurnstileUnreachable."""
        asked = self.clock.now()
        status = await self.turnstile.status()
        return Watched(status, asked, self.clock.now())

    async def look_until(self, wanted: Callable[[TurnstileStatus], bool], within_ms: float) -> tuple[list[Watched], bool]:
        """Read until a reading is as wanted, or one that was asked for after `within_ms` is not: the last two readings that
        tell when it came about, oldest first, and whether it did. Raises TurnstileUnreachable."""
        began, seen = self.clock.now(), list[Watched]()
        while True:
            seen = [*seen[-1:], await self.look()]
            if wanted(seen[-1].status):
                return seen, True
            if seen[-1].asked.ms_since(began) > within_ms:
                return seen, False
            await self.pause()

    async def pause(self) -> None:
        """Let the controller be between two looks."""
        await asyncio.sleep(self.limits.pause_ms / 1000)

    @property
    def window_ms(self) -> float:
        """The profile's open window."""
        return self.profile.timings.open_window_ms

    @property
    def window_end_ms(self) -> float:
        """How long after a pulse an arm that nobody turned may still be unlocked."""
        return self.window_ms + self.limits.tolerance_ms(self.profile)

    async def wait_locked(self) -> bool:
        """Whether the arm is locked, at the latest when an open window that begins now would be over."""
        _, locked = await self.look_until(lambda status: not status.unlocked, self.window_end_ms)
        return locked


async def restore(bench: Bench, silent_for_ms: float) -> tuple[bool, str]:
    """Lamp to idle and wait until the arm is locked, patiently with a controller that is away for the moment.

    Answers whether all is as it must be, and how it was left. Raises nothing of the device's.
    """
    began = bench.clock.now()
    while True:
        lamp = await _idle_lamp(bench)
        try:
            if (await bench.turnstile.status()).fire_release:
                arm = "free, as the fire panel wants it"
            elif await bench.wait_locked():
                arm = "locked"
            else:
                return False, "STILL UNLOCKED, look after it"
            over = bench.clock.now().ms_since(began) > silent_for_ms
            if not lamp or over:
                lit = f", LAMP NOT IDLE ({lamp})" if lamp else ", lamp idle" if bench.profile.commands.indicator else ""
                return not lamp, arm + lit
        except TurnstileUnreachable as error:
            if bench.clock.now().ms_since(began) > silent_for_ms:
                return False, f"nobody knows ({error.detail}), LOOK AFTER ITS ARM AND LAMP"
        await bench.pause()


async def _idle_lamp(bench: Bench) -> str:
    """Why the lamp is not idle; empty when it is, or when there is none."""
    try:
        await bench.turnstile.show("idle")
    except TurnstileUnreachable as error:
        return error.detail
    return ""
