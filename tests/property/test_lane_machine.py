"""Lane machines under any order of things: guests, parties, staff, faults, lanes that overtake each other or end anywhere."""

import os
from collections import Counter
from datetime import datetime, timedelta

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resort.access.entitlement import Usage, persons_allowed
from resort.access.lane_messages import (
    AdmitByHand,
    AnnulLast,
    CodeSighted,
    ConfirmFace,
    FaceRecognised,
    ModeOrdered,
    PolicyOrdered,
    RejectFace,
    TestScan,
    TurnstileLost,
    ViewFace,
)
from resort.access.usage import use
from resort.clock import ManualClock
from resort.face_rules import FaceVerdict
from resort.history import HistoryCheck
from resort.ids import TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    GrantReleased,
    PassageConfirmed,
    PassageUncontrolled,
    ScanRefused,
    TicketEvent,
    TicketExited,
)
from resort.ports import Sighting
from sim.memory_ledger import MemoryLedger
from tests.property.lane_world import (
    CODES,
    COMPANION,
    INTERVAL_S,
    PLACES,
    SEASON,
    SOLD,
    FaceAnswered,
    LedgerFault,
    PulseFault,
    WorldLane,
    face_decision,
)
from tests.unit.resort.access.lane_stand import LaneStand

EXAMPLES = int(os.environ.get("LANE_EXAMPLES", "150"))
lanes = st.sampled_from(sorted(PLACES))
shown = st.sampled_from([*CODES.values(), *CODES.values(), None, "nonsense"])


class LaneWorld(RuleBasedStateMachine):
    """Three lanes, four tickets, and a ledger that may fail before or after it stored."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: ManualClock = LaneStand().clock
        self.ledger = MemoryLedger()
        for ticket_id, allowed in SOLD.items():
            self.ledger.sell(ticket_id, allowed)
        self.lanes = {name: WorldLane(name, self.clock, self.ledger) for name in PLACES}
        self.jumped = False
        self.orders = 0
        self.folded: dict[TicketId, Usage] = {ticket_id: Usage() for ticket_id in SOLD}
        self.read = 0

    # ---- the world's moves; each leaves at most `lag` commands of its lane undone

    @rule(wait_ms=st.sampled_from([1, 40, 700, 3_000, 7_000, 70_000, 130_000]))
    def time_passes(self, wait_ms: float) -> None:
        self.clock.advance_ms(wait_ms)
        for lane in self.lanes.values():
            lane.unlocked_ms = max(0.0, lane.unlocked_ms - wait_ms)

    @rule(name=lanes, steps=st.integers(0, 4))
    def look(self, name: str, steps: int) -> None:
        self.lanes[name].look()
        self.lanes[name].work(steps)

    @rule(name=lanes, text=shown, age_ms=st.integers(0, 500), steps=st.integers(0, 6))
    def hold_up(self, name: str, text: str | None, age_ms: int, steps: int) -> None:
        now = self.clock.now()
        self.lanes[name].give(CodeSighted(Sighting(text, now.after_ms(-age_ms), now)))
        self.lanes[name].work(steps)

    @rule(name=lanes, text=st.sampled_from(sorted(CODES.values())), tailgaters=st.integers(0, 1))
    def go_through(self, name: str, text: str, tailgaters: int) -> None:
        lane, now = self.lanes[name], self.clock.now()
        lane.give(CodeSighted(Sighting(text, now, now)))
        for _ in range(3):
            lane.work()
            lane.push(by_force=False)
            for _ in range(tailgaters):
                lane.push(by_force=True)
            lane.look()
        lane.work()

    @rule(name=lanes, steps=st.integers(1, 3))
    def work(self, name: str, steps: int) -> None:
        self.lanes[name].work(steps)

    @rule(name=lanes)
    def lose_the_turnstile(self, name: str) -> None:
        self.lanes[name].give(TurnstileLost("away"))

    @rule(name=lanes, by_force=st.booleans())
    def push(self, name: str, by_force: bool) -> None:
        self.lanes[name].push(by_force=by_force)

    @rule(name=lanes, released=st.booleans())
    def fire(self, name: str, released: bool) -> None:
        self.lanes[name].released = released

    @rule(name=lanes, mode=st.sampled_from(["open", "closed"]), classes=st.sampled_from([frozenset(), frozenset({"fast"})]))
    def order(self, name: str, mode: str, classes: frozenset) -> None:  # type: ignore[type-arg]
        self.lanes[name].give(ModeOrdered(mode))  # type: ignore[arg-type]
        self.lanes[name].give(PolicyOrdered(classes))

    @rule(name=lanes, what=st.sampled_from(["hand", "annul", "annul", "test"]), steps=st.integers(0, 4))
    def staff(self, name: str, what: str, steps: int) -> None:
        self.orders += 1
        request = f"{what} {self.orders}"
        order = {
            "hand": AdmitByHand(request, "anna", "why"),
            "annul": AnnulLast(request, "anna", "why"),
            "test": TestScan(request, "anna", CODES[SEASON]),
        }[what]
        lane = self.lanes[name]
        lane.work()
        before = len(self.ledger.journal)
        lane.give(order)
        lane.work(steps)
        if what == "test" and not lane.waiting:
            assert not any(isinstance(event, TicketEvent) for event in self.ledger.journal[before:])

    @rule(name=lanes, answers=st.sampled_from(["nobody", "nobody", "pass", "look", "refuse", "away"]))
    def faces_are(self, name: str, answers: FaceAnswered) -> None:
        self.lanes[name].face = answers

    @rule(
        name=lanes,
        ticket_id=st.sampled_from(sorted(SOLD)),
        verdict=st.sampled_from(FaceVerdict),
        age_ms=st.sampled_from([0, 300, 1_500]),
        steps=st.integers(0, 6),
    )
    def face_alone(self, name: str, ticket_id: TicketId, verdict: FaceVerdict, age_ms: int, steps: int) -> None:
        now = self.clock.now()
        self.lanes[name].give(FaceRecognised(face_decision(verdict, ticket_id), now.after_ms(-age_ms), now))
        self.lanes[name].work(steps)

    @rule(name=lanes, what=st.sampled_from([ConfirmFace, ConfirmFace, RejectFace, ViewFace]), steps=st.integers(0, 4))
    def staff_look(self, name: str, what: type[ConfirmFace], steps: int) -> None:
        lane = self.lanes[name]
        if lane.looks:
            self.orders += 1
            lane.give(what(f"look {self.orders}", "anna", lane.looks[-1]))
            lane.work(steps)

    @rule(name=lanes, how=st.sampled_from(["", "", "away", "answer lost"]))
    def ledger_breaks(self, name: str, how: LedgerFault) -> None:
        self.lanes[name].ledger_fault = how

    @rule(name=lanes, how=st.sampled_from(["", "", "unsent", "lost", "unconfirmed"]))
    def wire_breaks(self, name: str, how: PulseFault) -> None:
        self.lanes[name].pulse_fault = how

    @rule(name=lanes)
    def kill(self, name: str) -> None:
        self.lanes[name].restart()

    @rule(minutes=st.sampled_from([-72, 72]))
    def wall_clock_jumps(self, minutes: int) -> None:
        now = self.clock.now()
        self.clock._now = msgspec.structs.replace(now, at=now.at + timedelta(minutes=minutes))
        self.jumped = True

    # ---- what must hold

    @invariant()
    def a_grant_is_pulsed_at_most_once(self) -> None:
        pulsed = [grant_id for lane in self.lanes.values() for grant_id in lane.pulsed]
        assert len(pulsed) == len(set(pulsed))

    @invariant()
    def every_order_is_answered_at_most_once(self) -> None:
        answered = [answer.request_id for lane in self.lanes.values() for answer in lane.answers]
        assert len(answered) == len(set(answered))

    @invariant()
    def the_journal_folds_into_the_ledger_from_wherever_it_is_read(self) -> None:
        for event in self.ledger.journal[self.read :]:
            if isinstance(event, TicketEvent) and event.ticket_id is not None:
                self.folded[event.ticket_id] = use(self.folded[event.ticket_id], event)
        self.read = len(self.ledger.journal)
        assert self.folded == {ticket_id: record.usage for ticket_id, record in self.ledger.tickets.items()}

    @invariant()
    def no_other_face_is_let_in(self) -> None:
        looked: set[TicketId | None] = set()
        for event in self.ledger.journal:
            if isinstance(event, ScanRefused) and event.reason == "face_unsure":
                looked.add(event.ticket_id)
            if isinstance(event, GrantIssued) and not event.face_by:
                assert event.face is None or event.face.verdict is FaceVerdict.PASS
                assert not event.face_away  # as these lanes let staff look then
            elif isinstance(event, GrantIssued):
                assert event.ticket_id in looked
            if isinstance(event, GrantIssued) and event.medium == "face":
                assert event.ticket_id == SEASON  # the only one that a face alone opens

    @invariant()
    def nobody_passes_beyond_what_is_allowed(self) -> None:
        for ticket_id, record in self.ledger.tickets.items():
            allowed, usage = persons_allowed(SOLD[ticket_id]), record.usage
            assert 0 <= usage.unknown <= usage.used
            assert allowed is None or usage.used + (usage.open is not None) <= allowed

    @invariant()
    def no_turn_is_counted_twice(self) -> None:
        for lane in self.lanes.values():
            assert self._counted(lane) <= lane.turns

    def teardown(self) -> None:
        """Once all is well again every turn is in the journal, and the whole of it makes sense to who did not write it."""
        for lane in self.lanes.values():
            lane.ledger_fault, lane.pulse_fault, lane.released = "", "", False
            for _ in range(6):
                self.clock.advance_ms(20_000)
                lane.unlocked_ms = 0.0
                lane.look()
                lane.work()
            assert self._counted(lane) == lane.turns
        check = HistoryCheck(SOLD)
        for event in self.ledger.journal:
            check.take(event)
        report = check.conclude()
        assert report.findings == []
        assert report.figures["without_outcome"] == 0
        self._check_passback()
        if not self.jumped:
            self._check_intervals()
            self._check_companion()

    def _counted(self, lane: WorldLane) -> int:
        events = [event for event in self.ledger.journal if event.lane_id == lane.settings.lane_id]
        free = sum(event.rotations for event in events if isinstance(event, PassageUncontrolled))
        return free + sum(isinstance(event, PassageConfirmed) for event in events)

    def _check_passback(self) -> None:
        """Into a strict zone nobody goes twice without having left it, but for the rest of a party."""
        inside: set[TicketId] = set()
        used: Counter[TicketId] = Counter()
        for event in self.ledger.journal:
            match event:
                case PassageConfirmed() if event.ticket_id is not None:
                    completes = used[event.ticket_id] % SOLD[event.ticket_id].party
                    assert event.gate_id != "north" or event.ticket_id not in inside or completes
                    (inside.add if event.gate_id == "north" else inside.discard)(event.ticket_id)
                    used[event.ticket_id] += 1
                case GrantOutcomeUnknown() if event.ticket_id is not None:
                    used[event.ticket_id] += 1
                case GrantAnnulled():
                    used[event.ticket_id] -= 1
                    inside.discard(event.ticket_id)
                case TicketExited():
                    inside.discard(event.ticket_id)

    def _check_intervals(self) -> None:
        last: dict[tuple[str, str], datetime] = {}
        for event in self.ledger.journal:
            if isinstance(event, GrantAnnulled):
                last.pop((event.ticket_id, "north"), None)
            elif isinstance(event, GrantOutcome) and not isinstance(event, GrantReleased) and event.ticket_id == SEASON:
                key = (event.ticket_id, event.gate_id)
                if event.gate_id == "north" and key in last:
                    assert (event.at - last[key]).total_seconds() >= INTERVAL_S
                last[key] = event.at

    def _check_companion(self) -> None:
        """A companion never has more passes than the one he is bound to had before him."""
        passes: Counter[TicketId] = Counter()
        for event in self.ledger.journal:
            if isinstance(event, GrantAnnulled) and event.ticket_id == COMPANION:
                passes[COMPANION] -= 1
            elif isinstance(event, GrantOutcome) and not isinstance(event, GrantReleased) and event.ticket_id is not None:
                passes[event.ticket_id] += 1
            assert passes[COMPANION] <= passes[SEASON]


TestLaneWorld = LaneWorld.TestCase
TestLaneWorld.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_control_the_world_lets_everything_happen_at_least_once() -> None:
    """A scripted life, so that a world in which nobody ever passes is noticed."""
    world = LaneWorld()
    for name, ticket_id in (("summit-1", SEASON), ("summit-1", COMPANION), ("north-out", SEASON)):
        world.go_through(name, CODES[ticket_id], 0)
    for name, what in (("summit-1", "annul"), ("summit-1", "hand")):
        world.staff(name, what, 9)
    world.push("summit-1", False)
    world.look("summit-1", 9)
    for ticket_id in SOLD:
        world.go_through("north-1", CODES[ticket_id], 1)
    world.time_passes(130_000)
    world.faces_are("summit-1", "look")
    world.hold_up("summit-1", CODES[SEASON], 0, 9)
    world.staff_look("summit-1", ConfirmFace, 9)
    world.time_passes(130_000)
    world.look("summit-1", 9)
    world.face_alone("summit-1", SEASON, FaceVerdict.PASS, 0, 9)
    grants = [event for event in world.ledger.journal if isinstance(event, GrantIssued)]
    assert [(grant.medium, grant.face_by) for grant in grants[-2:]] == [("printed", "anna"), ("face", "")]
    kinds = Counter(type(event) for event in world.ledger.journal)
    assert kinds[PassageConfirmed] >= 6
    assert kinds[PassageUncontrolled] >= 1
    assert (kinds[TicketExited], kinds[GrantAnnulled]) == (1, 1)
    assert any(isinstance(event, GrantIssued) and event.by for event in world.ledger.journal)
    world.teardown()
