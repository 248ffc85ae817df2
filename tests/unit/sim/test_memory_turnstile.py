"""What the in-memory turnstile adds to the conformance suite (tests/unit/devices/test_turnstile.py): calls that fail."""

from datetime import UTC, datetime
from typing import Literal

import pytest

from resort.clock import ManualClock
from resort.errors import TurnstileUnreachable
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile


@pytest.fixture
def turnstile() -> MemoryTurnstile:
    return MemoryTurnstile(SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))))


async def test_out_of_reach_nothing_arrives(turnstile: MemoryTurnstile) -> None:
    turnstile.reachable = False
    for call in (turnstile.status, turnstile.pulse_entry, lambda: turnstile.show("go")):
        with pytest.raises(TurnstileUnreachable):
            await call()
    turnstile.reachable = True
    assert not (await turnstile.status()).unlocked
    assert (turnstile.model.pulses, turnstile.model.indicator) == (0, "idle")


@pytest.mark.parametrize(("fate", "arrives"), [("lost", False), ("unconfirmed", True)])
async def test_one_pulse_may_fail_before_or_after_the_steel_acted(
    turnstile: MemoryTurnstile, fate: Literal["lost", "unconfirmed"], arrives: bool
) -> None:
    turnstile.next_pulse = fate
    with pytest.raises(TurnstileUnreachable):
        await turnstile.pulse_entry()
    assert (await turnstile.status()).unlocked == arrives
    await turnstile.pulse_entry()
    assert turnstile.model.pulses == 1 + arrives
