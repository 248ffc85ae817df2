"""One lane running: its devices, its inbox, its machine. No Ray here; `actors/lane.py` hosts one or several of these.

One consumer task feeds the machine, so a lane never interleaves two guests. Between a code and the pulse there are two
round trips to the ledger and nothing else. Back-pressure: sightings wait in a bounded inbox, a full one drops the newest
and counts it (the reader reports a code again while it is held up); turnstile readings: newest wins; outcomes and events:
never dropped, the lane stops granting until the ledger has them.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial

from actors.lane_faces import LaneFaces, LaneFaceWork, NoFaces
from actors.lane_height import HeightNotes, NoHeights
from actors.lane_report import LaneReport, reader_silent_s, report_of
from actors.lane_results import NoResults, Results
from actors.lane_steel import pulse, set_way
from resort.access.codes import SiteKeys
from resort.access.entitlement import TicketRecord
from resort.access.lane_cycle import Cycle
from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    AmendTicket,
    Answer,
    AppendEvent,
    CodeSighted,
    Command,
    CompareFace,
    GrantConflicted,
    GrantStored,
    LaneMode,
    LedgerFailed,
    LookUp,
    ModeOrdered,
    OpenLook,
    PolicyOrdered,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUnsent,
    SettleGrant,
    SetWay,
    ShowLamp,
    StaffOrder,
    StaffOutcome,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
)
from resort.access.lane_settings import LaneSettings
from resort.access.lane_voice import LaneVoice, TellGuest
from resort.access.reasons import Reason
from resort.access.usage import use
from resort.clock import Clock
from resort.errors import Busy, LedgerUnavailable, SpoolFull, TurnstileUnreachable, Unavailable
from resort.ids import GrantId, IdSource, TicketId
from resort.messages import GrantAnnulled, GrantIssued, GrantOutcome, JournalEvent, TicketExited
from resort.ports import AdmissionLedger, CodeSource, LaneMemory, Recalling, Turnstile
from resort.site import LaneClass

RETRY_S = 0.1
_log = logging.getLogger("snowgate.lane")


class LaneRuntime:
    """Runs one lane until `stop`. A success of `start` means that its tasks run, not yet that the turnstile answered.

    After a crash, build a new one: it recovers from the ledger's memory of the lane and the turnstile's counters.
    """

    def __init__(
        self,
        settings: LaneSettings,
        mode: LaneMode,
        keys: SiteKeys,
        ledger: AdmissionLedger,
        turnstile: Turnstile,
        source: CodeSource,
        clock: Clock,
        ids: IdSource,
        on_fatal: Callable[[BaseException], None],
        results: Results | None = None,
        faces: LaneFaces | None = None,
        heights: HeightNotes | None = None,
    ) -> None:
        self.settings = settings
        self.machine = LaneMachine(settings, keys, ids)
        self.dropped = 0
        self._mode = mode
        self._ledger = ledger
        self._turnstile = turnstile
        self._source = source
        self._clock = clock
        self._began = clock.now()
        self._on_fatal = on_fatal
        self._voice = LaneVoice(settings.lane_class)
        self._results = results or NoResults()  # whoever made it closes it
        self._heights = heights or NoHeights()  # likewise
        self.faces = faces
        self._face_work: LaneFaceWork = faces or NoFaces()
        self._inbox: deque[Stimulus] = deque()
        self._reading: TurnstileSeen | TurnstileLost | None = None  # newest wins
        self._ready = asyncio.Event()
        self._pausing: asyncio.Future[None] | None = None  # until the next reading of the turnstile
        self._idle = asyncio.Event()  # between two guests: nothing granted, nothing being stored
        self._granted: TicketRecord | None = None  # the ticket of the open grant, as the ledger stored it
        self._grant: GrantIssued | None = None
        self._settle_failed = False  # an answer was lost: the ticket may stand elsewhere meanwhile
        self._asked: dict[str, asyncio.Future[StaffOutcome]] = {}  # orders of staff that wait for their answer
        self._accepting = True
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the lane's tasks."""
        lane = self.settings.lane_id
        parts = [("consumer", self._consume), ("turnstile", self._poll), ("reader", self._read)]
        if self.faces is not None:
            parts.append(("faces", partial(self.faces.watch, self._is_free, self._put)))
        for name, work in parts:
            task = asyncio.create_task(self._guard(work()), name=f"lane {lane} {name}")
            self._tasks.append(task)

    async def stop(self, patience_s: float = 5.0) -> None:
        """Take no more codes, wait for an open grant's outcome at most `patience_s`, then stop and free the devices."""
        self._accepting = False
        self._inbox.clear()
        self.machine.forget_next()
        if self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._idle.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for asked in self._asked.values():
            asked.set_exception(Unavailable("The lane", "it is being stopped"))
            asked.exception()  # whoever gave up waiting need not hear of it
        self._asked.clear()
        if self.faces is not None:
            self.faces.close()
        await self._source.close()
        await self._turnstile.close()

    def order_mode(self, mode: LaneMode) -> None:
        """Order the lane open or closed; takes effect with the next stimulus."""
        self._put(ModeOrdered(mode))

    def order_policy(self, admits: frozenset[LaneClass]) -> None:
        """Order whose tickets the lane admits besides its own; likewise."""
        self._put(PolicyOrdered(admits))

    async def order(self, order: StaffOrder) -> StaffOutcome:
        """Carry out what staff order; idempotent by its `request_id`. Raises Busy when too much waits already, and Unavailable
        when the lane is stopped meanwhile. A caller that gives up waiting may ask again under the same id."""
        waiting = self._asked.get(order.request_id)
        if waiting is None:
            if not self._put(order):
                raise Busy("lane", RETRY_S)
            waiting = self._asked[order.request_id] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(waiting)

    def report(self) -> LaneReport:
        """How the lane stands now."""
        now = self._clock.now()
        busy = self.machine.awaits_rotation or not self._idle.is_set()
        silent_s = reader_silent_s(self._source, self._began, now)
        return report_of(self.machine, now, dropped=self.dropped, busy=busy, reader_silent_s=silent_s)

    # ---- tasks

    async def _guard(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            _log.exception("lane %s: a task ended unexpectedly", self.settings.lane_id)
            self._on_fatal(error)

    async def _consume(self) -> None:
        memory = await self._memory()
        if isinstance(self._turnstile, Recalling):
            self._turnstile.recall(memory.counter_in, memory.counter_out)
            self._reading = None
            self._look_again()
        await self._take(Started(memory, self._mode))
        while True:
            await self._ready.wait()
            self._ready.clear()
            while (stimulus := self._next()) is not None:
                await self._take(stimulus)

    async def _poll(self) -> None:
        """Read the turnstile, often while a rotation is awaited; the machine keeps all its time limits by these readings."""
        while True:
            try:
                asked = self._clock.now()
                self._reading = TurnstileSeen(await self._turnstile.status(), asked)
            except TurnstileUnreachable as error:
                self._reading = TurnstileLost(error.detail)
            self._ready.set()
            await asyncio.sleep(0)  # a consumer that is free takes the reading first: then it may be enough for a while
            limits = self.settings.limits
            await self._pause(limits.poll_active_ms if self.machine.awaits_rotation else limits.poll_idle_ms)

    async def _pause(self, longest_ms: float) -> None:
        """Wait until the turnstile is to be read again. A bare future and timer: this runs with every guest."""
        loop = asyncio.get_running_loop()
        self._pausing = pausing = loop.create_future()
        timer = loop.call_later(longest_ms / 1000, self._look_again)
        try:
            await pausing
        finally:
            timer.cancel()

    def _look_again(self) -> None:
        if self._pausing is not None and not self._pausing.done():
            self._pausing.set_result(None)

    async def _read(self) -> None:
        async for sighting in self._source.sightings():
            if self._accepting and self._face_work.heeds(sighting):
                self._put(CodeSighted(sighting))

    def _is_free(self) -> bool:
        """Whether somebody without a code could be let in now."""
        machine = self.machine
        return self._accepting and not self._inbox and machine.cycle is Cycle.IDLE and machine.lasting_state == "ready"

    # ---- the machine

    def _put(self, stimulus: Stimulus) -> bool:
        if len(self._inbox) >= self.settings.limits.inbox_size:
            self.dropped += 1
            return False
        self._inbox.append(stimulus)
        self._ready.set()
        return True

    def _next(self) -> Stimulus | None:
        # Readings first: a rotation that has happened is accounted before the next guest's code is looked at.
        if self._reading is not None:
            reading, self._reading = self._reading, None
            return reading
        return self._inbox.popleft() if self._inbox else None

    async def _take(self, stimulus: Stimulus) -> None:
        """Give the machine a stimulus, run its commands in order, and feed it their answers."""
        self._idle.clear()
        steps = deque(self._handle(stimulus))
        while steps:
            answer = await self._run(steps.popleft())
            if isinstance(answer, PulseUnsent):  # nobody is told to go
                steps = deque(step for step in steps if not isinstance(step, ShowLamp | TellGuest))
            if answer is not None:
                steps.extend(self._handle(answer))
        if not self.machine.awaits_rotation:
            self._idle.set()

    def _handle(self, stimulus: Stimulus) -> list[Command]:
        return self._voice.accompany(stimulus, self.machine.handle(stimulus, self._clock.now()))

    async def _run(self, command: Command) -> Stimulus | None:
        match command:
            case LookUp():
                return await self._look_up(command)
            case StoreGrant():
                return await self._store_grant(command)
            case CompareFace():
                return await self._face_work.compare(command)
            case OpenLook():
                self._face_work.open_look(command)
            case PulseTurnstile() | SetWay():
                return await self._order_arm(command)
            case TellGuest():
                self._results.tell(command)
            case ShowLamp():
                try:
                    await self._turnstile.show(command.lamp)
                except TurnstileUnreachable:
                    self._look_again()  # while the broken line is still down: else the silence is noticed twice as late
            case SettleGrant():
                await self._until_stored(lambda: self._settle(command.outcome))
            case AppendEvent():
                await self._until_stored(lambda: self._append(command.event))
            case AmendTicket():
                await self._until_stored(lambda: self._amend(command.event))
            case Answer():
                waiting = self._asked.pop(command.request_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(command.outcome)
        return None

    async def _look_up(self, command: LookUp) -> Stimulus:
        try:
            return TicketFound(await self._ledger.find(command.ticket_id))
        except LedgerUnavailable as error:
            return LedgerFailed(error.detail)

    async def _store_grant(self, command: StoreGrant) -> Stimulus:
        grant = await self._heights.noted(command.grant)
        try:
            conflict = await self._ledger.commit_grant(grant, command.expected, command.usage)
        except LedgerUnavailable as error:
            return LedgerFailed(error.detail)
        except SpoolFull as error:
            return LedgerFailed(error.detail, Reason.SPOOL_FULL)
        if conflict is not None:
            return GrantConflicted(conflict.record)
        before, usage = command.expected, command.usage
        if before is not None and usage is not None:
            self._granted = TicketRecord(before.version + 1, before.entitlement, usage)
        self._grant = grant
        return GrantStored()

    async def _order_arm(self, command: PulseTurnstile | SetWay) -> Stimulus:
        if isinstance(command, SetWay):
            return await set_way(self._turnstile, command)
        told = await pulse(self._turnstile, self._clock)
        if isinstance(told, PulseAcknowledged):
            self._look_again()
        return told

    async def _memory(self) -> LaneMemory:
        while True:
            try:
                return await self._ledger.lane_memory(self.settings.lane_id)
            except LedgerUnavailable as error:
                _log.warning("lane %s waits for the ledger: %s", self.settings.lane_id, error.detail)
                await asyncio.sleep(RETRY_S)

    async def _until_stored(self, store: Callable[[], Coroutine[object, object, None]]) -> None:
        """Outcomes and events are never dropped: nobody is granted entry until they are stored. Logs the edges only."""
        failing = False
        while True:
            try:
                await store()
            except (LedgerUnavailable, SpoolFull) as error:
                if not failing:
                    _log.warning("lane %s stops granting: %s", self.settings.lane_id, error.detail)
                failing = True
                await asyncio.sleep(RETRY_S)
            else:
                if failing:
                    _log.info("lane %s grants again", self.settings.lane_id)
                return

    async def _settle(self, outcome: GrantOutcome) -> None:
        if outcome.ticket_id is None:
            await self._settle_by_hand(outcome)
            return
        # The ticket is as this lane's grant left it, unless somebody blocked it meanwhile: then the store says so.
        granted, grant = self._granted, self._grant
        record = granted
        if granted is None or grant is None or GrantId(grant.event_id) != outcome.grant_id:
            record = await self._find(outcome.ticket_id)  # recovered, or never stored for certain
        elif self._settle_failed:
            record = await self._find(outcome.ticket_id)
        if record is None or record.usage.open_grant != outcome.grant_id:
            # Whoever decides now never knew the grant, or knows the outcome. The journal is told: a ledger that is frozen may
            # still carry the grant out, and has to learn that it was released.
            await self._ledger.settle(outcome, None, None)
        while record is not None and record.usage.open_grant == outcome.grant_id:
            self._settle_failed = True
            conflict = await self._ledger.settle(outcome, record, use(record.usage, outcome))
            if conflict is None:
                break
            record = conflict.record
        self._granted, self._grant, self._settle_failed = None, None, False

    async def _settle_by_hand(self, outcome: GrantOutcome) -> None:
        """A grant without a ticket is open as long as the lane's memory says so; it may never have been stored."""
        opened = (await self._ledger.lane_memory(self.settings.lane_id)).open_grant
        if opened is not None and GrantId(opened.event_id) == outcome.grant_id:
            await self._ledger.settle(outcome, None, None)
        self._granted, self._grant, self._settle_failed = None, None, False

    async def _amend(self, event: GrantAnnulled | TicketExited) -> None:
        record = await self._find(event.ticket_id)
        while record is not None:
            conflict = await self._ledger.amend(event, record, use(record.usage, event))
            record = None if conflict is None else conflict.record

    async def _find(self, ticket_id: TicketId | None) -> TicketRecord | None:
        return None if ticket_id is None else await self._ledger.find(ticket_id)

    async def _append(self, event: JournalEvent) -> None:
        await self._ledger.append([event])
