"""The turnstile port straight on the simulated steel, without a network: for tests, virtual days and benches."""

from typing import Literal

from resort.errors import Invalid, TurnstileUnreachable
from resort.ports import ArmWay, TurnstileStatus
from sim.turnstile import INDICATORS, SimTurnstile

_PART = "Turnstile in memory"


class MemoryTurnstile:
    """Implements `resort.ports.Turnstile`. The switches make calls fail as a bad wire would.

    `reachable` False: every call fails and nothing arrives. `next_pulse`, for one pulse: "lost" fails before the steel sees
    it, "unconfirmed" fails after the steel has acted on it; then it is "done" again.
    """

    def __init__(self, model: SimTurnstile) -> None:
        self.model = model
        self.reachable = True
        self.next_pulse: Literal["done", "lost", "unconfirmed"] = "done"
        self._closed = False

    async def status(self) -> TurnstileStatus:
        """The steel's state now."""
        self._check()
        model = self.model
        return TurnstileStatus(
            counter_in=model.counter_in,
            counter_out=model.counter_out,
            unlocked=model.unlocked,
            fault=model.fault,
            tamper=model.tamper,
            fire_release=model.fire_release,
            waiting=model.waiting,
            firmware=model.firmware,
        )

    async def pulse_entry(self) -> None:
        """Pulse the steel once."""
        self._check()
        fate, self.next_pulse = self.next_pulse, "done"
        if fate != "lost":
            self.model.pulse_entry()
        if fate != "done":
            raise TurnstileUnreachable(_PART, "no answer within 300 ms")

    async def turn(self, way: ArmWay) -> None:
        """Set the steel's way."""
        self._check()
        self.model.exit_only = way == "exit_only"

    async def show(self, indicator: str) -> None:
        """Set the lamp."""
        self._check()
        if indicator not in INDICATORS:
            raise Invalid("indicator", f"{indicator} is not one of {', '.join(INDICATORS)}")
        self.model.show(indicator)

    async def close(self) -> None:
        """Calls afterwards fail. Idempotent."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise TurnstileUnreachable(_PART, "its connection was given back", sent=False)
        if not self.reachable:
            raise TurnstileUnreachable(_PART, "not connected", sent=False)
