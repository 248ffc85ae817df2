"""The steel's rules: lock, turns, fire release, signals."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resort.clock import ManualClock
from sim.turnstile import COUNTER_MODULUS, SIGNALS_KEPT, SimTurnstile

START = datetime(2027, 1, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def steel(clock: ManualClock) -> SimTurnstile:
    return SimTurnstile(4_000, clock)


def heard(queue: asyncio.Queue[str]) -> list[str]:
    """What has been announced so far."""
    return [queue.get_nowait() for _ in range(queue.qsize())]


def test_a_locked_arm_does_not_turn_inwards(steel: SimTurnstile) -> None:
    assert not steel.push_in()
    assert steel.counter_in == 0


def test_a_second_pulse_starts_the_window_anew_for_one_turn_still(steel: SimTurnstile, clock: ManualClock) -> None:
    steel.pulse_entry()
    clock.advance_ms(3_000)
    steel.pulse_entry()
    clock.advance_ms(3_000)
    assert steel.relocks_in_ms == 1_000
    assert [steel.push_in(), steel.push_in()] == [True, False]
    assert (steel.pulses, steel.counter_in, steel.unlocked) == (2, 1, False)


def test_a_locked_arm_has_no_time_to_lock(steel: SimTurnstile) -> None:
    assert steel.relocks_in_ms is None


@pytest.mark.parametrize("hindrance", ["fault", "exit_only"])
def test_a_hindered_controller_takes_the_pulse_and_stays_locked(steel: SimTurnstile, hindrance: str) -> None:
    setattr(steel, hindrance, True)
    steel.pulse_entry()
    assert (steel.pulses, steel.unlocked) == (1, False)


@pytest.mark.parametrize("hindrance", ["", "fault", "exit_only"])
def test_only_a_pulse_that_unlocks_counts_as_an_unlocking(steel: SimTurnstile, hindrance: str) -> None:
    if hindrance:
        setattr(steel, hindrance, True)
    steel.pulse_entry()
    steel.pulse_entry()
    assert (steel.pulses, steel.unlocks) == (2, 0 if hindrance else 2)


def test_the_watcher_is_told_before_anybody_can_act(steel: SimTurnstile) -> None:
    seen: list[tuple[str, int, int, int]] = []
    signals = steel.subscribe()
    steel.watcher = lambda what: seen.append((what, steel.unlocks, steel.counter_in, signals.qsize()))
    steel.pulse_entry()
    steel.push_in()
    steel.force_in()
    steel.push_in()  # locked: nothing turns
    steel.push_out()
    assert [entry[:3] for entry in seen] == [("unlock", 1, 0), ("turn", 1, 1), ("turn", 1, 2)]
    assert seen[0][3] == 0  # no guest has heard of it yet


def test_forcing_turns_a_locked_arm_and_uses_up_an_unlocked_one(steel: SimTurnstile) -> None:
    steel.force_in()
    assert steel.counter_in == 1
    steel.pulse_entry()
    steel.force_in()
    assert (steel.counter_in, steel.unlocked) == (2, False)


def test_the_way_out_leaves_the_lock_alone(steel: SimTurnstile) -> None:
    steel.pulse_entry()
    assert steel.push_out()
    steel.pulse_exit()
    assert (steel.counter_out, steel.exit_pulses, steel.unlocked) == (1, 1, True)


def test_fire_release_frees_the_arm_whatever_else_holds(steel: SimTurnstile) -> None:
    steel.fault = True
    steel.fire_release = True
    assert [steel.push_in() for _ in range(3)] == [True] * 3
    assert (steel.counter_in, steel.unlocked) == (3, True)
    steel.fire_release = False
    assert not steel.push_in()


def test_a_window_that_ends_under_fire_release_leaves_a_locked_arm(steel: SimTurnstile, clock: ManualClock) -> None:
    signals = steel.subscribe()
    steel.pulse_entry()
    steel.fire_release = True
    clock.advance_ms(5_000)
    assert steel.unlocked
    steel.fire_release = False
    assert not steel.unlocked
    assert heard(signals) == ["unlocked", "relocked"]


def test_counters_wrap_at_32_bits(steel: SimTurnstile) -> None:
    steel.counter_in = steel.counter_out = COUNTER_MODULUS - 1
    steel.force_in()
    steel.push_out()
    assert (steel.counter_in, steel.counter_out) == (0, 0)


def test_signals_tell_edges_of_the_lock_and_every_lamp(steel: SimTurnstile, clock: ManualClock) -> None:
    signals = steel.subscribe()
    steel.pulse_entry()
    steel.pulse_entry()
    steel.show("go")
    steel.push_in()
    steel.show("refused")
    steel.show("refused")
    steel.show("idle")
    steel.pulse_entry()
    clock.advance_ms(4_000)
    steel.settle()
    steel.settle()
    assert heard(signals) == ["unlocked", "go", "relocked", "refused", "refused", "idle", "unlocked", "relocked"]


def test_each_listener_hears_everything_until_it_leaves(steel: SimTurnstile) -> None:
    first, second = steel.subscribe(), steel.subscribe()
    steel.show("go")
    steel.unsubscribe(first)
    steel.unsubscribe(first)
    steel.show("idle")
    assert heard(first) == ["go"]
    assert heard(second) == ["go", "idle"]


def test_a_listener_that_sleeps_loses_the_oldest_signals(steel: SimTurnstile) -> None:
    signals = steel.subscribe()
    for _ in range(SIGNALS_KEPT):
        steel.show("idle")
    steel.show("go")
    told = heard(signals)
    assert (len(told), told[-1]) == (SIGNALS_KEPT, "go")


def test_a_lamp_shows_no_other_word(steel: SimTurnstile) -> None:
    with pytest.raises(ValueError, match="disco"):
        steel.show("disco")


class ArmStory(RuleBasedStateMachine):
    """Whatever happens, guests never turn inwards more often than pulses allow, forcing and fire release apart."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START)
        self.steel = SimTurnstile(4_000, self.clock)
        self.signals = self.steel.subscribe()
        self.turned = self.forced = 0
        self.believed_unlocked = False

    @rule()
    def pulse(self) -> None:
        self.steel.pulse_entry()

    @rule()
    def push(self) -> None:
        self.turned += self.steel.push_in()

    @rule()
    def force(self) -> None:
        self.steel.force_in()
        self.forced += 1

    @rule(ms=st.integers(0, 6_000))
    def wait(self, ms: int) -> None:
        self.clock.advance_ms(ms)

    @rule(fault=st.booleans())
    def set_fault(self, fault: bool) -> None:
        self.steel.fault = fault

    @invariant()
    def turns_are_counted_and_paid_for_by_pulses(self) -> None:
        assert self.steel.counter_in == self.turned + self.forced
        assert self.turned <= self.steel.pulses

    @invariant()
    def a_listener_knows_the_lock(self) -> None:
        unlocked = self.steel.unlocked
        for signal in heard(self.signals):
            assert self.believed_unlocked != (signal == "unlocked")  # edges only
            self.believed_unlocked = signal == "unlocked"
        assert self.believed_unlocked == unlocked


TestArmStory = ArmStory.TestCase
TestArmStory.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


def test_without_power_the_arm_hangs_free_and_nothing_is_counted_or_taken() -> None:
    clock = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
    steel = SimTurnstile(4_000, clock)
    steel.pulse_entry()
    steel.powered = False
    assert steel.unlocked
    assert steel.push_in()
    assert steel.push_out()
    steel.pulse_entry()
    assert (steel.counter_in, steel.counter_out, steel.pulses) == (0, 0, 1)
    steel.powered = True
    assert not steel.unlocked  # the open window is forgotten
    assert not steel.push_in()


def test_a_stuck_arm_takes_the_pulse_and_stays_shut_but_not_under_fire_release() -> None:
    steel = SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC)))
    steel.stuck = True
    steel.pulse_entry()
    assert (steel.pulses, steel.unlocks, steel.unlocked, steel.fault) == (1, 0, False, False)
    steel.fire_release = True
    assert steel.push_in()


def test_a_counter_may_run_backwards() -> None:
    steel = SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC)))
    steel.counts_backwards = True
    steel.force_in()
    steel.push_out()
    assert (steel.counter_in, steel.counter_out) == (COUNTER_MODULUS - 1, COUNTER_MODULUS - 1)
