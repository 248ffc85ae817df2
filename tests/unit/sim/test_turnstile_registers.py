"""The simulated controller's registers: what each address says and takes."""

from datetime import UTC, datetime

import msgspec
import pytest
from pymodbus.constants import ExcCodes

from devices.profile import Table, load_profile
from resort.clock import ManualClock
from sim.turnstile import SimTurnstile
from sim.turnstile_registers import RegisterRefused, TurnstileRegisters

PROFILE = load_profile("pulse_coil")


@pytest.fixture
def registers() -> TurnstileRegisters:
    return TurnstileRegisters(SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))), PROFILE)


def test_input_registers_tell_the_whole_status(registers: TurnstileRegisters) -> None:
    steel = registers.model
    steel.firmware, steel.counter_in, steel.counter_out, steel.waiting = 0x0102, 0x00030004, 0x00050006, 7
    steel.tamper = True
    steel.pulse_entry()
    assert registers.read("input", 0, 7) == [0x0102, 0b0101, 3, 4, 5, 6, 7]


def test_discrete_inputs_mirror_the_status_bits(registers: TurnstileRegisters) -> None:
    registers.model.fault = True
    registers.model.fire_release = True
    assert registers.read("discrete", 0, 4) == [1, 1, 0, 1]
    assert registers.read("input", 1, 1) == [0b1011]


def test_pulse_coils_act_when_set_and_read_as_reset(registers: TurnstileRegisters) -> None:
    registers.write("coil", 0, [1, 1])
    registers.write("coil", 0, [0])
    assert (registers.model.pulses, registers.model.exit_pulses) == (1, 1)
    assert registers.read("coil", 0, 2) == [0, 0]


def test_a_coil_of_reversed_polarity_pulses_when_cleared() -> None:
    pulse = msgspec.structs.replace(PROFILE.commands.pulse_entry, value=0)
    commands = msgspec.structs.replace(PROFILE.commands, pulse_entry=pulse)
    steel = SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC)))
    registers = TurnstileRegisters(steel, msgspec.structs.replace(PROFILE, commands=commands))
    registers.write("coil", 0, [1])
    assert (steel.pulses, registers.read("coil", 0, 1)) == (0, [1])
    registers.write("coil", 0, [0])
    assert (steel.pulses, registers.read("coil", 0, 1)) == (1, [1])


def test_modes_are_read_back(registers: TurnstileRegisters) -> None:
    assert registers.read("holding", 0, 2) == [0, 0]
    registers.write("holding", 0, [1, 2])
    assert registers.read("holding", 0, 2) == [1, 2]
    assert (registers.model.exit_only, registers.model.indicator) == (True, "refused")
    registers.write("holding", 0, [0])
    assert not registers.model.exit_only


@pytest.mark.parametrize(
    ("table", "address", "count"),
    [("input", 7, 1), ("input", 0, 8), ("input", 65_535, 2), ("discrete", 4, 1), ("coil", 1, 2), ("holding", 2, 1)],
)
def test_reading_beyond_the_map_is_refused(registers: TurnstileRegisters, table: Table, address: int, count: int) -> None:
    with pytest.raises(RegisterRefused) as caught:
        registers.read(table, address, count)
    assert caught.value.code == ExcCodes.ILLEGAL_ADDRESS


@pytest.mark.parametrize(
    ("table", "address", "values", "code"),
    [
        ("coil", 1, [1, 1], ExcCodes.ILLEGAL_ADDRESS),
        ("holding", 1, [1, 1], ExcCodes.ILLEGAL_ADDRESS),
        ("holding", 0, [1, 9], ExcCodes.ILLEGAL_VALUE),
        ("input", 0, [1], ExcCodes.ILLEGAL_ADDRESS),
    ],
)
def test_a_write_that_is_partly_wrong_changes_nothing(
    registers: TurnstileRegisters, table: Table, address: int, values: list[int], code: ExcCodes
) -> None:
    with pytest.raises(RegisterRefused) as caught:
        registers.write(table, address, values)
    assert caught.value.code == code
    steel = registers.model
    assert (steel.pulses, steel.exit_pulses, steel.exit_only, steel.indicator) == (0, 0, False, "idle")
