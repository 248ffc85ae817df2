"""A turnstile controller for engineers without hardware: `orchestrator.device_players.DevicePlayer`.

Serves its steel in this process, sound or with one fault; what its line does is `sim/device_lines.py`.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from devices.loopback_port import HOST
from devices.profile import TurnstileProfile, load_profile
from orchestrator.device_players import PlayOrder
from resort.clock import SystemClock
from resort.errors import Invalid
from sim.device_lines import LINE_FAULTS, PlayedLine
from sim.odd_turnstile import ODDITIES, OddTurnstile
from sim.turnstile import SimTurnstile

BROKEN = {
    "stuck": "takes pulses, and its lock does not follow",
    "fault": "reports a fault, and does not unlock",
    "tamper": "reports tamper",
    "fire": "is held free by the fire panel",
    "exit_only": "is set to exit only",
    "refuses": "refuses every order for entry",
    "no_acknowledge": "acts and does not acknowledge (profiles with an acknowledge word)",
    "no_firmware": "says 0 for its firmware",
}
ODD: dict[str, str] = {
    "stays_open": "is open 20 times as long as its profile says",
    "hasty": "is open a quarter of the time that its profile says",
    "never_locked": "says that it is unlocked, always",
    "counts_twice": "counts two for each turn inwards",
    "counts_pulses": "counts a turn for each pulse",
    "creeps": "counts one more at each reading",
    "runs_back": "counts one less at each reading",
    "ways_swapped": "counts turns inwards as outwards",
    "flickers": "tells another firmware at each reading",
    "defies_fire": "locks after a pulse though the fire panel holds it free",
}
_TOGGLES = {"fire": "fire_release", "fault": "fault", "tamper": "tamper"}


class TurnstilePlayer:
    """See the protocol. Deeds: `in`, `out` (push the arm), `fire`, `fault`, `tamper` (turn on or off), with a unit after it
    where there are several."""

    def __init__(self) -> None:
        self.steel: dict[int, SimTurnstile] = {}
        self._stack = AsyncExitStack()

    @property
    def faults(self) -> dict[str, str]:
        """What it can do wrongly, each in a few words."""
        return {**BROKEN, **ODD, **LINE_FAULTS}

    async def start(self, order: PlayOrder, tell: Callable[[str], None]) -> str:
        """Serve. Raises Invalid, Unavailable; nothing runs after an error."""
        profile = load_profile(order.profile)
        if order.fault and order.fault not in self.faults:
            raise Invalid("fault", f"{order.fault} is none of {', '.join(self.faults)}")
        if not order.units or any(not 0 <= unit <= 255 for unit in order.units):
            raise Invalid("unit", "units are 0 to 255")
        line = PlayedLine(order.address or f"tcp://{HOST}:{order.port}", order.fault)
        self.steel = {unit: _steel(profile, order.fault) for unit in order.units}
        try:
            address = await line.serve(self._stack, self.steel, profile)
        except BaseException:
            await self.stop()
            raise
        for unit, model in self.steel.items():
            self._watch(unit, model, tell)
        return address

    def act(self, deed: str) -> str:
        """Do it. Raises Invalid on an unknown deed or unit."""
        words = deed.split()
        model = self._model(words[1:])
        match words[:1]:
            case ["in"]:
                return "the arm turned" if model.push_in() else "the arm is locked"
            case ["out"]:
                model.push_out()
                return "the arm turned outwards"
            case [name] if name in _TOGGLES:
                held = not getattr(model, _TOGGLES[name])
                setattr(model, _TOGGLES[name], held)
                return f"{name} is {'on' if held else 'off'}"
            case _:
                raise Invalid("deed", f"say in, out, {', '.join(_TOGGLES)}")

    async def stop(self) -> None:
        """Hang up on everybody; idempotent."""
        await self._stack.aclose()

    def _model(self, words: list[str]) -> SimTurnstile:
        """The unit that is named, or else the first."""
        named = {str(unit): model for unit, model in self.steel.items()}
        word = words[0] if words else next(iter(named), "")
        if word not in named:
            raise Invalid("unit", f"there is none but {', '.join(named)}")
        return named[word]

    def _watch(self, unit: int, model: SimTurnstile, tell: Callable[[str], None]) -> None:
        signals = model.subscribe()

        async def follow() -> None:
            while True:
                tell(f"unit {unit}: {await signals.get()}")

        task = asyncio.create_task(follow(), name=f"signals of unit {unit}")
        self._stack.push_async_callback(_end, task)
        self._stack.callback(model.unsubscribe, signals)


def _steel(profile: TurnstileProfile, fault: str) -> SimTurnstile:
    """One arm of that profile, with that fault if it is one of the steel's."""
    clock, window_ms = SystemClock(), profile.timings.open_window_ms
    if fault in ODDITIES:
        return OddTurnstile(window_ms, clock, fault)
    model = SimTurnstile(window_ms, clock)
    model.stuck = fault == "stuck"
    model.fault = fault == "fault"
    model.tamper = fault == "tamper"
    model.fire_release = fault == "fire"
    model.exit_only = fault == "exit_only"
    model.refuses = fault == "refuses"
    model.acknowledges = fault != "no_acknowledge"
    if fault == "no_firmware":
        model.firmware = 0
    return model


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
