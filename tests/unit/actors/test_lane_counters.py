"""A lane behind a relay board, whose counters come round after 65535: no turn is lost or invented, whoever restarts."""

import asyncio

import pytest

from actors.lane_runtime import LaneRuntime
from devices.profile import load_profile
from devices.turnstile import ModbusTurnstile
from resort.ids import RandomIds
from resort.messages import LaneChanged, PassageUncontrolled
from resort.ports import Recalling
from sim.memory_wire import MemoryWire
from tests.unit.actors.test_lane_runtime import KEYS, Stand, _polled, has

PROFILE = load_profile("relay_board")


class RelayStand(Stand):
    """A lane whose turnstile is the real driver on a relay board's registers."""

    def build(self) -> None:
        super().build()
        self.driver = ModbusTurnstile(MemoryWire(self.steel, PROFILE), PROFILE)
        settings = self.lane.settings
        self.lane = LaneRuntime(
            settings, "open", KEYS, self.ledger, self.driver, self.held, self.clock, RandomIds(), self.fatal.append
        )

    @property
    def turns_told(self) -> int:
        """Turns without a grant that the journal tells of."""
        return sum(event.rotations for event in self.ledger.journal if isinstance(event, PassageUncontrolled))


@pytest.mark.parametrize("ledger_is_late", [False, True])
async def test_a_restarted_lane_counts_on_beyond_16_bits(ledger_is_late: bool) -> None:
    stand = RelayStand()
    assert isinstance(stand.driver, Recalling)
    stand.steel.counter_in = 65_534
    await stand.lane.start()
    await stand.ledger.until(has(LaneChanged))
    for _ in range(3):
        stand.steel.force_in()
    await stand.ledger.until(lambda journal: stand.turns_told == 3)
    stand.kill()
    await asyncio.gather(*stand.lane._tasks, return_exceptions=True)
    stand.steel.force_in()
    stand.steel.force_in()
    stand.build()
    stand.ledger.away = ledger_is_late
    await stand.lane.start()
    if ledger_is_late:
        await _polled(stand.lane, 3)  # what is read before the lane remembers is not used
    stand.ledger.away = False
    await stand.ledger.until(lambda journal: stand.turns_told == 5)
    assert (await stand.driver.status()).counter_in == 65_539
    await stand.lane.stop(0.2)
    assert stand.fatal == []
    assert stand.turns_told == 5
