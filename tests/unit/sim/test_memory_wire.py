"""A unit in memory: the same driver and registers as over TCP, and faults at will."""

from datetime import UTC, datetime

import pytest

from devices.profile import load_profile
from devices.turnstile import ModbusTurnstile
from resort.clock import ManualClock
from resort.errors import TurnstileUnreachable
from sim.memory_wire import MemoryWire, WireFault
from sim.turnstile import SimTurnstile

PROFILE = load_profile("pulse_coil")


@pytest.fixture
def steel() -> SimTurnstile:
    return SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC)))


@pytest.fixture
def wire(steel: SimTurnstile) -> MemoryWire:
    return MemoryWire(steel, PROFILE)


async def test_orders_and_readings_go_over_it(wire: MemoryWire, steel: SimTurnstile) -> None:
    turnstile = ModbusTurnstile(wire, PROFILE)
    await turnstile.pulse_entry()
    await turnstile.show("go")
    assert (await turnstile.status()).unlocked
    assert (steel.pulses, steel.indicator) == (1, "go")
    await turnstile.close()


@pytest.mark.parametrize(("fault", "pulses"), [("deaf", 0), ("mute", 1)])
async def test_a_deaf_unit_does_nothing_and_a_mute_one_says_nothing(
    wire: MemoryWire, steel: SimTurnstile, fault: str, pulses: int
) -> None:
    wire.fault = fault  # type: ignore[assignment]
    with pytest.raises(TurnstileUnreachable, match="no answer"):
        await ModbusTurnstile(wire, PROFILE).pulse_entry()
    assert steel.pulses == pulses


@pytest.mark.parametrize(("fault", "said"), [("half", "no answer"), ("renumbered", "no request")])
async def test_a_spoilt_answer_is_none(wire: MemoryWire, steel: SimTurnstile, fault: WireFault, said: str) -> None:
    wire.fault = fault
    with pytest.raises(TurnstileUnreachable, match=said) as caught:
        await ModbusTurnstile(wire, PROFILE).pulse_entry()
    assert (steel.pulses, caught.value.sent) == (1, True)


async def test_a_refusal_is_told_as_one(wire: MemoryWire, steel: SimTurnstile) -> None:
    steel.refuses = True
    with pytest.raises(TurnstileUnreachable, match="exception 6") as caught:
        await ModbusTurnstile(wire, PROFILE).pulse_entry()
    assert (steel.pulses, caught.value.sent) == (0, False)


async def test_without_power_nobody_answers(wire: MemoryWire, steel: SimTurnstile) -> None:
    steel.powered = False
    with pytest.raises(TurnstileUnreachable):
        await ModbusTurnstile(wire, PROFILE).status()


def test_other_masters_get_the_very_bytes_of_the_answer(wire: MemoryWire) -> None:
    assert wire.send(b"\x05\0\0\xff\0") == b"\0\1\0\0\0\6\1\x05\0\0\xff\0"
    assert wire.send(b"\x63") == b"\0\2\0\0\0\3\1\xe3\1"
