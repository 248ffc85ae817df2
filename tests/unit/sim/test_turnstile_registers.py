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


# ---- the other styles


def of(name: str) -> TurnstileRegisters:
    return TurnstileRegisters(SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))), load_profile(name))


def test_a_command_is_acknowledged_under_its_number() -> None:
    command = of("command_register")
    assert command.read("input", 7, 2) == [0, 0]
    command.write("holding", 0, [1, 41])
    assert (command.model.pulses, command.read("input", 7, 2), command.read("holding", 0, 2)) == (1, [41, 1], [1, 41])


@pytest.mark.parametrize(("why", "result"), [("fault", 2), ("exit_only", 3), ("refuses", 4)])
def test_a_command_that_cannot_be_is_refused_and_does_nothing(why: str, result: int) -> None:
    command = of("command_register")
    setattr(command.model, why, True)
    command.write("holding", 0, [1, 41])
    assert (command.model.pulses, command.read("input", 7, 2)) == (0, [41, result])


def test_another_command_is_refused_as_unknown() -> None:
    command = of("command_register")
    command.write("holding", 0, [9, 41])
    assert (command.model.pulses, command.read("input", 7, 2)) == (0, [41, 5])


def test_a_controller_that_does_not_acknowledge_acts_all_the_same() -> None:
    command = of("command_register")
    command.model.acknowledges = False
    command.write("holding", 0, [1, 41])
    assert (command.model.pulses, command.read("input", 7, 2)) == (1, [0, 0])


@pytest.mark.parametrize(("name", "address"), [("command_register", 0), ("mode_register", 1)])
def test_the_same_number_again_is_nothing_and_a_new_one_is_one_admission(name: str, address: int) -> None:
    registers = of(name)
    for number in (5, 5, 5, 6, 5):
        registers.write("holding", address, [1, number])
    assert registers.model.pulses == 3
    registers.write("holding", address + 1, [8])  # the number alone, with the word from before
    assert registers.model.pulses == 4
    registers.write("holding", address, [1])  # no number, no order
    assert registers.model.pulses == 4


def test_a_wanted_direction_other_than_inwards_opens_nothing() -> None:
    mode = of("mode_register")
    mode.write("holding", 1, [2, 7])
    assert mode.model.pulses == 0


def test_mode_direction_and_number_may_be_written_together() -> None:
    mode = of("mode_register")
    mode.write("holding", 0, [0, 1, 7, 2])
    assert (mode.model.pulses, mode.model.indicator, mode.read("holding", 0, 4)) == (1, "refused", [0, 1, 7, 2])


@pytest.mark.parametrize(("name", "table", "address"), [("pulse_coil", "coil", 0), ("mode_register", "holding", 2)])
def test_a_refusal_without_words_for_it_is_an_exception(name: str, table: Table, address: int) -> None:
    registers = of(name)
    registers.model.refuses = True
    with pytest.raises(RegisterRefused) as caught:
        registers.write(table, address, [1])
    assert (caught.value.code, registers.model.pulses) == (ExcCodes.DEVICE_BUSY, 0)
    registers.write("holding", 3 if name == "mode_register" else 1, [1])  # the lamp is no order for entry
    assert registers.model.indicator == "go"


def test_a_relay_presses_the_button_for_any_duration_but_none() -> None:
    relay = of("relay_board")
    relay.write("holding", 0, [0])
    assert (relay.model.pulses, relay.read("holding", 0, 1)) == (0, [0])
    relay.write("holding", 0, [5])
    assert (relay.model.pulses, relay.read("holding", 0, 1)) == (1, [0])


def test_contacts_that_are_normally_closed_are_open_when_it_is_so() -> None:
    relay = of("relay_board")
    assert relay.read("discrete", 0, 4) == [0, 1, 1, 1]
    relay.model.fault = relay.model.fire_release = True
    assert relay.read("discrete", 0, 4) == [1, 0, 1, 0]


def test_pulse_counters_come_round_after_16_bits() -> None:
    relay = of("relay_board")
    relay.model.counter_in, relay.model.counter_out = 65_536, 65_535
    assert relay.read("input", 0, 2) == [0, 65_535]
