"""People first: whatever a lane, its staff or another master on the bus does, fire release holds the arm free and the way out
is never barred; and whatever breaks, no guest is pulsed for twice.

A thousand sequences run with every test, and a quarter of them with each other style of controller;
`SNOWGATE_SEQUENCES=20000 pytest tests/property/test_fire_release.py` runs more.
"""

import os
from collections import Counter
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devices.profile import TurnstileProfile
from devices.profile_points import PulsePoint, TimedRelay
from devices.turnstile import ModbusTurnstile
from resort.access.lane_messages import AdmitByHand, AnnulLast, ModeOrdered, PolicyOrdered, TestScan
from resort.messages import GrantAnnulled
from sim.day import at_once
from sim.memory_wire import WireFault
from tests.property.lane_steel import CODES, ENTITLEMENTS, PARTY, PROFILES, LaneSteel, LedgerFault

SEQUENCES = int(os.environ.get("SNOWGATE_SEQUENCES", "1000"))


def _writes(profile: TurnstileProfile) -> st.SearchStrategy[bytes]:
    """Writes of another master: half of them meant, to the addresses of the profile, the rest any function, place and value."""
    commands = profile.commands
    coils_meant = [place.address for place in (commands.pulse_entry, commands.pulse_exit) if isinstance(place, PulsePoint)]
    meant = [b"\x05" + _word(address) + b"\xff\0" for address in coils_meant]
    meant += [
        b"\x06" + _word(mode.address) + _word(value)
        for mode in (commands.direction, commands.indicator)
        if mode is not None
        for value in mode.values.values()
    ]
    if isinstance(commands.pulse_entry, PulsePoint):
        assert commands.direction is not None
        meant.append(b"\x10" + _word(commands.direction.address) + b"\0\2\4" + _word(1) + _word(2))
    elif isinstance(commands.pulse_entry, TimedRelay):
        meant.append(b"\x06" + _word(commands.pulse_entry.address) + _word(commands.pulse_entry.duration))
    else:
        place = _word(commands.pulse_entry.address)
        meant += [b"\x10" + place + b"\0\2\4" + _word(1) + _word(number) for number in (0, 1, 2, 3, 0xFFFF)]
    address, value = (
        st.integers(0, 9).map(_word),
        st.one_of(st.sampled_from([b"\0\0", b"\xff\0"]), st.integers(0, 9).map(_word)),
    )
    one = st.builds(lambda function, place, word: bytes([function]) + place + word, st.sampled_from([5, 6]), address, value)
    coils = st.builds(lambda place, bits: b"\x0f" + place + b"\0\2\1" + bits, address, st.binary(min_size=1, max_size=1))
    words = st.builds(lambda place, pair: b"\x10" + place + b"\0\2\4" + pair, address, st.binary(min_size=4, max_size=4))
    return st.sampled_from(meant) | one | coils | words | st.binary(min_size=1, max_size=12)


def _word(value: int) -> bytes:
    return value.to_bytes(2, "big")


WRITES = {name: _writes(profile) for name, profile in PROFILES.items()}


class SteelWorld(RuleBasedStateMachine):
    """One lane, guests, staff, a fire panel, a careless second master, and everything that can break."""

    profile = "pulse_coil"

    def __init__(self) -> None:
        super().__init__()
        self.lane = LaneSteel(PROFILES[self.profile])
        self.steel = self.lane.steel
        self.began_at = self.steel.counter_in
        self.orders = 0
        self.went_out = 0

    # ---- guests

    @rule(text=st.sampled_from([*CODES, None, "nonsense"]))
    def hold_up(self, text: str | None) -> None:
        self.lane.hold_up(text)

    @rule(text=st.sampled_from(CODES), goes=st.booleans(), seen=st.booleans())
    def serve(self, text: str, goes: bool, seen: bool) -> None:
        """A guest as most are: shows a code, goes through or dawdles until the arm has locked, and the lane looks."""
        self.lane.look()
        self.lane.hold_up(text)
        if goes:
            self.steel.push_in()
        else:
            self.lane.clock.advance_ms(7_000)
        if seen:
            self.lane.look()

    @rule(persons=st.integers(1, PARTY + 1))
    def come_as_a_party(self, persons: int) -> None:
        """One scan, then person by person; the arm lets as many in as the lane pulses."""
        self.lane.look()
        self.lane.hold_up(CODES[-1])
        for _ in range(persons):
            self.steel.push_in()
            self.lane.look()

    @rule()
    def push_in(self) -> None:
        free = self.steel.fire_release or not self.steel.powered
        assert self.steel.push_in() or not free

    @rule()
    def push_out(self) -> None:
        before = self.steel.counter_out
        assert self.steel.push_out()
        self.went_out += self.steel.counter_out - before

    @rule()
    def force(self) -> None:
        self.steel.force_in()

    # ---- time and readings

    @rule(wait_ms=st.sampled_from([1, 150, 1_300, 4_100, 7_000]))
    def time_passes(self, wait_ms: float) -> None:
        self.lane.clock.advance_ms(wait_ms)

    @rule()
    def look(self) -> None:
        self.lane.look()

    # ---- orders

    @rule(mode=st.sampled_from(["open", "closed"]))
    def order_mode(self, mode: Literal["open", "closed"]) -> None:
        self.lane.give(ModeOrdered(mode))

    @rule(admits=st.sampled_from([frozenset(), frozenset({"fast"})]))
    def order_policy(self, admits: frozenset[Literal["standard", "fast", "vip"]]) -> None:
        self.lane.give(PolicyOrdered(admits))

    @rule(what=st.sampled_from(["admit", "annul", "test"]), again=st.booleans())
    def staff_order(self, what: str, again: bool) -> None:
        self.orders += not again
        request = f"{what} {self.orders}"
        match what:
            case "admit":
                self.lane.give(AdmitByHand(request, "vera", "lost her pass"))
            case "annul":
                self.lane.give(AnnulLast(request, "vera", "did not go"))
            case _:
                self.lane.give(TestScan(request, "vera", CODES[0]))

    # ---- what breaks

    @rule(fault=st.sampled_from(["none", "none", "none", "deaf", "mute", "half", "renumbered"]))
    def wire(self, fault: WireFault) -> None:
        self.lane.wire.fault = fault

    @rule(fault=st.sampled_from(["none", "none", "away", "answer lost"]))
    def ledger(self, fault: LedgerFault) -> None:
        self.lane.ledger_fault = fault

    @rule(fault=st.booleans(), tamper=st.booleans())
    def steel_fault(self, fault: bool, tamper: bool) -> None:
        self.steel.fault, self.steel.tamper = fault, tamper

    @rule(stuck=st.booleans(), refuses=st.booleans(), acknowledges=st.booleans())
    def controller(self, stuck: bool, refuses: bool, acknowledges: bool) -> None:
        self.steel.stuck, self.steel.refuses, self.steel.acknowledges = stuck, refuses, acknowledges

    @rule(on=st.booleans())
    def power(self, on: bool) -> None:
        self.steel.powered = on

    @rule()
    def restart(self) -> None:
        self.lane.restart()

    @rule(data=st.data())
    def another_master_writes(self, data: st.DataObject) -> None:
        for body in data.draw(st.lists(WRITES[self.profile], min_size=1, max_size=4)):
            self.lane.wire.send(body)

    # ---- fire

    @initialize(on=st.booleans())
    def begin(self, on: bool) -> None:
        self.steel.fire_release = on

    @rule(on=st.sampled_from([True, True, False]))
    def fire_panel(self, on: bool) -> None:
        self.steel.fire_release = on

    # ---- what must hold

    @invariant()
    def the_arm_is_free_under_fire_release_and_without_power(self) -> None:
        if self.steel.fire_release or not self.steel.powered:
            assert self.steel.unlocked

    @invariant()
    def a_lane_that_has_seen_the_release_is_released_whatever_was_ordered(self) -> None:
        machine = self.lane.machine
        if machine.status is not None and machine.status.fire_release:
            assert machine.lasting_state == "released"
        assert self.lane.sent_under_release == 0

    @precondition(lambda self: self.lane.wire.fault == "none" and self.steel.powered)
    @invariant()
    def the_registers_tell_the_truth_about_the_release(self) -> None:
        told = at_once(ModbusTurnstile(self.lane.wire, self.lane.profile).status())
        assert (told.fire_release, told.unlocked) == (self.steel.fire_release, self.steel.unlocked)
        assert (told.fault, told.tamper) == (self.steel.fault, self.steel.tamper)

    @invariant()
    def nobody_is_pulsed_for_twice(self) -> None:
        assert not [grant for grant, times in Counter(self.lane.pulsed).items() if times > 1]
        assert set(self.lane.pulsed) <= self.lane.grants
        assert self.lane.pulses_taken <= len(self.lane.pulsed)

    @invariant()
    def passages_stay_below_grants_and_entries(self) -> None:
        passages = self.lane.passages
        assert len({passage.grant_id for passage in passages}) == len(passages)
        assert {str(passage.grant_id) for passage in passages} <= self.lane.grants
        given_back = Counter(event.ticket_id for event in self.lane.ledger.journal if isinstance(event, GrantAnnulled))
        used = Counter(passage.ticket_id for passage in passages if passage.ticket_id)
        for ticket_id, times in used.items():
            entitlement = ENTITLEMENTS[ticket_id]
            assert entitlement.entries is not None
            assert times <= entitlement.entries * entitlement.party + given_back[ticket_id]

    @invariant()
    def no_turn_is_invented(self) -> None:
        assert self.lane.turns_told <= self._turns

    @property
    def _turns(self) -> int:
        return (self.steel.counter_in - self.began_at) % 2**32

    def teardown(self) -> None:
        """The way out, once more, in whatever state the sequence ended; and then every turn inwards is told of."""
        assert self.steel.push_out()
        self.steel.powered = True
        self.lane.wire.fault = self.lane.ledger_fault = "none"
        self.lane.look()
        assert self.lane.turns_told == self._turns


class CommandWorld(SteelWorld):
    """The same with orders that are acknowledged."""

    profile = "command_register"


class SequenceWorld(SteelWorld):
    """The same with sequence numbers."""

    profile = "mode_register"


class RelayWorld(SteelWorld):
    """The same with a relay, contacts and counters of 16 bits."""

    profile = "relay_board"


def _settings(sequences: int) -> settings:
    return settings(max_examples=sequences, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


TestSteelWorld = SteelWorld.TestCase
TestSteelWorld.settings = _settings(SEQUENCES)
TestCommandWorld = CommandWorld.TestCase
TestCommandWorld.settings = _settings(SEQUENCES // 4)
TestSequenceWorld = SequenceWorld.TestCase
TestSequenceWorld.settings = _settings(SEQUENCES // 4)
TestRelayWorld = RelayWorld.TestCase
TestRelayWorld.settings = _settings(SEQUENCES // 4)
