"""A spool's file under any order of appends, confirmations, failing writes, kills and power cuts."""

import contextlib
import os
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from resort.errors import SpoolFull
from resort.ids import LaneId
from resort.messages import GrantIssued, GrantOutcome, JournalEvent, encode_event
from storage.spool_book import Round, SpoolBook
from storage.spool_file import read_content
from tests.unit.storage.lane_events import a_grant, a_refusal, a_release

SEGMENT = 2048
SEGMENTS = 6
LANES = [LaneId("a"), LaneId("b")]


class SpoolFile(RuleBasedStateMachine):
    """`promised` is what was acknowledged and not confirmed; `appended` the ids of everything anybody ever tried."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.fd = os.open(Path(self.folder.name) / "spool", os.O_RDWR | os.O_CREAT)
        os.pwrite(self.fd, bytes(SEGMENT * SEGMENTS), 0)
        self.book = SpoolBook(SEGMENT, SEGMENTS)
        self.numbers = dict.fromkeys(LANES, 0)
        self.confirmed = dict.fromkeys(LANES, 0)
        self.promised: list[JournalEvent] = []
        self.appended: set[str] = set()

    def teardown(self) -> None:
        os.close(self.fd)
        self.folder.cleanup()

    # ---- what happens

    @rule(data=st.data(), count=st.integers(1, 4))
    def append(self, data: st.DataObject, count: int) -> None:
        planned = self._plan(data, count)
        if planned is None:
            return
        plan, events = planned
        for offset, written in plan.writes:
            os.pwrite(self.fd, written, offset)
        self.book.take(plan)
        self.promised += events

    @rule(data=st.data(), count=st.integers(1, 4), share=st.floats(0, 1))
    def fail(self, data: st.DataObject, count: int, share: float) -> None:
        """A round fails after any part of it came to the disk."""
        planned = self._plan(data, count)
        if planned is not None:
            self._write_part(planned[0], share)
            self.book.fail(planned[0])

    @rule(data=st.data(), count=st.integers(1, 4), share=st.floats(0, 1))
    def cut_power(self, data: st.DataObject, count: int, share: float) -> None:
        planned = self._plan(data, count)
        if planned is not None:
            self._write_part(planned[0], share)
        self._restart()

    @rule()
    def kill(self) -> None:
        self._restart()

    @rule(lane=st.sampled_from(LANES), share=st.floats(0, 1))
    def confirm(self, lane: LaneId, share: float) -> None:
        number = round(self.numbers[lane] * share)
        self.book.confirm({lane: number})
        self.confirmed[lane] = max(number, self.confirmed[lane])
        self.promised = [event for event in self.promised if event.lane_seq > self.confirmed[event.lane_id]]

    @precondition(lambda self: not self.book.suspect)
    @rule()
    def let_every_open_grant_end(self) -> None:
        """However full it is, outcomes still fit."""
        try:
            plan = self.book.begin()
            grants = [event for event in self.promised if isinstance(event, GrantIssued)]
            outcomes = [a_release(self._number(grant.lane_id), grant) for grant in grants[-2:]]
            self.appended |= {outcome.event_id for outcome in outcomes}
            for outcome in outcomes:
                self.book.place(plan, [outcome], [encode_event(outcome)])
        except SpoolFull:
            outcomes_held = sum(isinstance(event, GrantOutcome) for event in self.book.unconfirmed())
            assert outcomes_held >= 4, "a reserve of two segments holds that many at least"
            return
        for offset, written in plan.writes:
            os.pwrite(self.fd, written, offset)
        self.book.take(plan)
        self.promised += outcomes

    # ---- what holds

    @invariant()
    def nothing_promised_is_missing(self) -> None:
        assert [event for event in self.book.unconfirmed() if event in self.promised] == self.promised

    @invariant()
    def nothing_is_there_that_nobody_appended(self) -> None:
        assert {event.event_id for event in self.book.unconfirmed()} <= self.appended

    @invariant()
    def the_file_alone_has_it_too(self) -> None:
        found = SpoolBook(SEGMENT, SEGMENTS)
        found.recover(read_content(self.fd, SEGMENT))
        ids = [event.event_id for event in found.unconfirmed()]
        assert len(ids) == len(set(ids))
        assert {event.event_id for event in self.promised} <= set(ids)
        for lane in LANES:
            assert found.last_seq(lane) >= self.book.last_seq(lane)

    # ---- parts

    def _number(self, lane: LaneId) -> int:
        self.numbers[lane] += 1
        return self.numbers[lane]

    def _plan(self, data: st.DataObject, count: int) -> tuple[Round, list[JournalEvent]] | None:
        """A round and what it appends; None where nothing can be written at all."""
        try:
            plan = self.book.begin()
        except SpoolFull:
            return None
        events: list[JournalEvent] = []
        for _ in range(count):
            lane = data.draw(st.sampled_from(LANES))
            make = data.draw(st.sampled_from([a_grant, a_refusal]))
            event = make(self._number(lane), lane)
            self.appended.add(event.event_id)
            try:
                self.book.place(plan, [event], [encode_event(event)])
            except SpoolFull:
                continue
            events.append(event)
        return plan, events

    def _write_part(self, plan: Round, share: float) -> None:
        left = round(sum(len(written) for _, written in plan.writes) * share)
        for offset, written in plan.writes:
            os.pwrite(self.fd, written[:left], offset)
            left = max(0, left - len(written))

    def _restart(self) -> None:
        self.book = SpoolBook(SEGMENT, SEGMENTS)
        if not self.book.recover(read_content(self.fd, SEGMENT)):
            with contextlib.suppress(SpoolFull):
                plan = self.book.begin()
                self._write_part(plan, 1.0)
                self.book.take(plan)
        found = self.book.unconfirmed()
        assert {event.event_id for event in self.promised} <= {event.event_id for event in found}
        # What a round that nobody heard of left, and a restart found, stays from then on.
        self.promised = [event for event in found if event.lane_seq > self.confirmed[event.lane_id]]


SpoolFile.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestSpoolFile = SpoolFile.TestCase
