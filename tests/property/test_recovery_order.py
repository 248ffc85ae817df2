"""Any order of losses: the ledger's newest entries, outages of SQL, kills of lanes, spools told early, late and twice.

SQL and the spools' books are the real ones; the ledger is a model that can lose the end of its stream. Afterwards every event
that was acknowledged is in SQL once, nobody was admitted twice, and the rebuilt ledger is what SQL says.
"""

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.lane_memory import NO_MEMORY, remember
from resort.access.usage import use
from resort.ids import LaneId, OrderId, SeededIds, TicketId
from resort.messages import AdmissionConflict, GrantIssued, JournalEvent, PassageConfirmed, TicketEvent, encode_event
from resort.orders import OrderState
from resort.ports import LaneMemory
from resort.pricing import QuoteRequest, make_quote
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.ledger_books import LedgerBooks
from storage.migrate import upgrade
from storage.orders_sql import StoredOrder, insert_order, insert_tickets
from storage.past_stream import store_past_stream
from storage.spool_book import SpoolBook
from storage.spool_file import read_content
from tests.unit.storage.lane_events import a_grant, a_passage, a_refusal, a_release, an_unknown

LANES = [LaneId("a"), LaneId("b")]
TICKETS = [TicketId(f"{number:016x}") for number in range(1, 4)]
ONCE = Entitlement("day", "adult", date(2026, 12, 1), 1, ("standard",))
SEGMENT, SEGMENTS = 1 << 14, 8
OUTCOMES = {"passed": a_passage, "released": a_release, "unknown": an_unknown}


class Spool:
    """A lane's spool file; a new one on the same file is what a restarted process opens."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT)
        if os.fstat(self._fd).st_size == 0:
            os.pwrite(self._fd, bytes(SEGMENT * SEGMENTS), 0)
        self.book = SpoolBook(SEGMENT, SEGMENTS)
        assert self.book.recover(read_content(self._fd, SEGMENT))

    def append(self, event: JournalEvent) -> None:
        plan = self.book.begin()
        self.book.place(plan, [event], [encode_event(event)])
        for offset, written in plan.writes:
            os.pwrite(self._fd, written, offset)
        self.book.take(plan)

    def die(self) -> None:
        os.close(self._fd)


@dataclass
class Ledger:
    """What it was rebuilt from, the stream since, and what both come to."""

    usage_before: dict[TicketId, Usage]
    memory_before: dict[LaneId, LaneMemory] = field(default_factory=dict)
    stream: list[tuple[int, JournalEvent]] = field(default_factory=list)
    whole: bool = True

    def __post_init__(self) -> None:
        self.usage, self.memory = dict(self.usage_before), dict(self.memory_before)

    def add(self, place: int, event: JournalEvent) -> None:
        """As its scripts do: what is not above the lane's number was there before."""
        if event.lane_seq <= self.last_seq(event.lane_id):
            return
        self.stream.append((place, event))
        self._apply(event)

    def last_seq(self, lane: LaneId) -> int:
        return self.memory.get(lane, NO_MEMORY).last_seq

    def crash(self, lost: int) -> None:
        self.stream = self.stream[: len(self.stream) - lost]
        self.whole = False
        self.__post_init__()
        for _, event in self.stream:
            self._apply(event)

    def _apply(self, event: JournalEvent) -> None:
        if isinstance(event, TicketEvent) and event.ticket_id is not None:
            self.usage[event.ticket_id] = use(self.usage[event.ticket_id], event)
        self.memory[event.lane_id] = remember(self.memory.get(event.lane_id, NO_MEMORY), event)


class Recovery(RuleBasedStateMachine):
    """`template` is a database that knows the tickets."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copyfile(self.template, self.folder / "snowgate.db")
        self.runner = asyncio.Runner()
        self.database = Database(f"sqlite:///{self.folder}/snowgate.db")
        self.journal, self.books = JournalStore(self.database), LedgerBooks(self.database)
        self.sql_up = True
        self.ledger = Ledger(dict.fromkeys(TICKETS, Usage()))
        self.place = 0
        self.read = 0  # the place up to which the journal read the stream
        self.spools = {lane: Spool(self.folder / lane) for lane in LANES}
        self.open: dict[LaneId, GrantIssued | None] = dict.fromkeys(LANES)
        self.numbers = dict.fromkeys(LANES, 0)
        self.acknowledged: set[str] = set()
        self.passed: list[str] = []

    def teardown(self) -> None:
        self.sql_up = True
        self.settle_everything()
        for spool in self.spools.values():
            spool.die()
        self.runner.run(self.database.dispose())
        self.runner.close()
        shutil.rmtree(self.folder)

    # ---- what happens

    @rule(lane=st.sampled_from(LANES), ticket=st.sampled_from(TICKETS), killed=st.booleans())
    def show_a_ticket(self, lane: LaneId, ticket: TicketId, killed: bool) -> None:
        """Stored in the ledger, then on disk, then pulsed; the lane may be killed in between."""
        usage = self.ledger.usage[ticket]
        if not self.ledger.whole or self.open[lane] is not None or usage.open is not None or usage.used:
            return
        grant = a_grant(self._number(lane), lane, ticket)
        self._to_ledger(grant)
        if killed:
            self.kill_a_lane(lane)
            return
        self.spools[lane].append(grant)
        self.acknowledged.add(grant.event_id)
        self.open[lane] = grant

    @precondition(lambda self: any(self.open.values()))
    @rule(how=st.sampled_from(sorted(OUTCOMES)), data=st.data(), killed=st.booleans())
    def let_a_grant_end(self, how: str, data: st.DataObject, killed: bool) -> None:
        """On disk first, then in the ledger if that is whole."""
        lane = data.draw(st.sampled_from([lane for lane, grant in self.open.items() if grant is not None]))
        grant = self.open[lane]
        assert grant is not None
        self._tell(OUTCOMES[how](self._number(lane), grant), killed)
        self.open[lane] = None

    @rule(lane=st.sampled_from(LANES), killed=st.booleans())
    def refuse_somebody(self, lane: LaneId, killed: bool) -> None:
        self._tell(a_refusal(self._number(lane), lane), killed)

    @rule(most=st.integers(1, 4))
    def store_the_stream(self, most: int) -> None:
        if not (self.sql_up and self.ledger.whole):
            return
        batch = [(place, event) for place, event in self.ledger.stream if place > self.read][:most]
        if batch:
            self.runner.run(self.journal.store([(f"{place}-0", event) for place, event in batch]))
            self.read = batch[-1][0]
            for _, event in batch:
                self.spools[event.lane_id].book.confirm({event.lane_id: event.lane_seq})

    @rule(lane=st.sampled_from(LANES), forget=st.booleans())
    def tell_sql_what_is_spooled(self, lane: LaneId, forget: bool) -> None:
        """The answer may be lost: then it is told again."""
        events = self.spools[lane].book.unconfirmed()
        if self.sql_up and events:
            self.runner.run(store_past_stream(self.journal, self.books, events))
            if forget:
                self.spools[lane].book.confirm({lane: events[-1].lane_seq})

    @rule()
    def lose_sql_or_get_it_back(self) -> None:
        self.sql_up = not self.sql_up

    @rule(lost=st.integers(0, 5))
    def crash_the_ledger(self, lost: int) -> None:
        self.ledger.crash(min(lost, len(self.ledger.stream)))

    @rule(lane=st.sampled_from(LANES))
    def kill_a_lane(self, lane: LaneId) -> None:
        """It starts on what ledger and spool know, tells the ledger what it lacks, and pulses nothing."""
        self.spools[lane].die()
        spool = self.spools[lane] = Spool(self.folder / lane)
        left = spool.book.unconfirmed()
        memory = self.ledger.memory.get(lane, NO_MEMORY)
        for event in left:
            memory = remember(memory, event)
        if self.ledger.whole:
            for event in left:
                self._to_ledger(event)
        self.numbers[lane] = max(memory.last_seq, spool.book.last_seq(lane), self.numbers[lane])
        self.open[lane] = None
        if memory.open_grant is not None:
            self._tell(an_unknown(self._number(lane), memory.open_grant), killed=False)

    @rule()
    def rebuild_the_ledger(self) -> None:
        """Everything the stream and the spools still hold goes into SQL; then the ledger is what SQL says."""
        if self.ledger.whole or not self.sql_up:
            return
        self.runner.run(self._rebuild())

    # ---- what holds

    @rule()
    def settle_everything(self) -> None:
        if not self.sql_up:
            return
        self.runner.run(self._rebuild())
        stored = [entry.event for entry in self.runner.run(self.journal.events_after(0, 100_000))]
        ids = [event.event_id for event in stored]
        assert len(ids) == len(set(ids))
        assert self.acknowledged <= set(ids)
        assert not [event for event in stored if isinstance(event, AdmissionConflict)]
        passed = [event.ticket_id for event in stored if isinstance(event, PassageConfirmed)]
        assert sorted(map(str, passed)) == sorted(map(str, set(passed))), "nobody is admitted twice"
        assert sorted(map(str, passed)) == sorted(self.passed), "and who passed is known"
        for lane, grant in self.open.items():
            assert self.ledger.memory.get(lane, NO_MEMORY).open_grant == grant

    # ---- parts

    def _number(self, lane: LaneId) -> int:
        self.numbers[lane] += 1
        return self.numbers[lane]

    def _to_ledger(self, event: JournalEvent) -> None:
        self.place += 1
        self.ledger.add(self.place, event)

    def _tell(self, event: JournalEvent, killed: bool) -> None:
        self.spools[event.lane_id].append(event)
        self.acknowledged.add(event.event_id)
        if isinstance(event, PassageConfirmed):
            self.passed.append(str(event.ticket_id))
        if killed:
            self.kill_a_lane(event.lane_id)
        elif self.ledger.whole:
            self._to_ledger(event)

    async def _rebuild(self) -> None:
        await self.journal.store([(f"{place}-0", event) for place, event in self.ledger.stream])
        for lane, spool in self.spools.items():
            events = spool.book.unconfirmed()
            if events:
                await store_past_stream(self.journal, self.books, events)
                spool.book.confirm({lane: events[-1].lane_seq})
        usage = {ticket: folded async for ticket, _, folded in self.books.tickets()}
        self.ledger = Ledger(usage, await self.books.lane_memories())


async def make_template(url: str) -> None:
    await upgrade(url)
    database = Database(url)
    site = shop_site()
    request = QuoteRequest("day", TODAY, {"adult": len(TICKETS)})
    quote = make_quote(request, site.products[0], site.tariff, site.sales_limits, MORNING, SeededIds("quote"))
    order = StoredOrder(OrderId("o1"), "shop", OrderState.NEW, ("new",), quote, None, None, MORNING, MORNING)
    async with database.write() as connection:
        await insert_order(connection, order)
        await insert_tickets(connection, "o1", [(ticket, TicketRecord(1, ONCE, Usage())) for ticket in TICKETS], MORNING)
    await database.dispose()


@pytest.fixture
def machine(tmp_path: Path) -> type[Recovery]:
    asyncio.run(make_template(f"sqlite:///{tmp_path}/template.db"))
    Recovery.template = tmp_path / "template.db"
    return Recovery


def test_in_any_order_of_losses_nothing_is_lost_and_nobody_admitted_twice(machine: type[Recovery]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
