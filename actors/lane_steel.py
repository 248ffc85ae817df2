"""The orders that a lane gives its turnstile, and what its machine is told of them: nothing is ever given twice here."""

from resort.access.lane_messages import (
    PulseAcknowledged,
    PulseUncertain,
    PulseUnsent,
    SetWay,
    Stimulus,
    WayNotSet,
    WaySet,
)
from resort.clock import Clock
from resort.errors import TurnstileUnreachable
from resort.ports import Turnstile


async def pulse(turnstile: Turnstile, clock: Clock) -> Stimulus:
    """Open the arm for one person, once."""
    try:
        await turnstile.pulse_entry()
    except TurnstileUnreachable as error:
        return PulseUncertain(error.detail) if error.sent else PulseUnsent(error.detail)
    return PulseAcknowledged(clock.now())


async def set_way(turnstile: Turnstile, command: SetWay) -> Stimulus:
    """Set which way the arm of a reversible lane can be unlocked."""
    try:
        await turnstile.turn(command.way)
    except TurnstileUnreachable as error:
        return WayNotSet(error.detail)
    return WaySet(command.way)
