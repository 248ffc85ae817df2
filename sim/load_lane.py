"""One lane of a load: its queue, the guest in front of its arm, and what he does there.

One guest at a time stands in front, so that every unlocking and every turn has one name. He acts as people do: he sees his lamp
and his arm, and nothing of the system behind them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Literal

from orchestrator.stages import LoadOrder
from resort.clock import Clock
from sim.load_plan import Pool, Visit
from sim.scanner_server import ScannerServer
from sim.truth import ArmTurned, ArmUnlocked, CodeShown, Ending, GuestLeft, Kind, Truth, when
from sim.turnstile import SimTurnstile

TWIN_WAIT_S = 0.5  # a twin at the head of the queue waits so long for the other one
LINGER_S = (
    0.8  # who showed a code more than once stays so long after the last time: a second answer is his, not the next guest's
)


class LoadCounts:
    """What the guests of one load did and saw, over all lanes."""

    def __init__(self) -> None:
        self.presented = 0
        self.shown = 0
        self.unheard = 0
        self.unlocks = 0
        self.turns = 0
        self.refused = 0
        self.hesitated = 0
        self.gave_up = 0
        self.kinds: dict[str, int] = {}


class Meeting:
    """Where twins wait for each other, each at the head of a queue of his own."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Event] = {}

    async def meet(self, visit: Visit) -> None:
        """Return at the same moment as the other one, or alone when he does not come."""
        other = self._waiting.pop(visit.twin, None)
        if other is not None:
            other.set()
            return
        mine = self._waiting[visit.guest] = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TWIN_WAIT_S):
                await mine.wait()
        self._waiting.pop(visit.guest, None)


class LoadLane:
    """`join` puts somebody in line; `serve` runs until cancelled. `tell` takes each record of the truth.

    Until `leave` the steel's word is taken down, also before and after the guests.
    """

    def __init__(
        self,
        lane_id: str,
        steel: SimTurnstile,
        scanners: ScannerServer,
        order: LoadOrder,
        meeting: Meeting,
        counts: LoadCounts,
        clock: Clock,
        tell: Callable[[Truth], None],
        ticket: Callable[[Pool, int], tuple[str, str]],
        moved: Callable[[], None],
    ) -> None:
        self.lane_id = lane_id
        self.steel = steel
        self.line: deque[Visit] = deque()
        self.busy = False  # somebody stands at the head of the line
        self._scanners, self._order, self._meeting, self._counts = scanners, order, meeting, counts
        self._clock = clock
        self._tell, self._ticket, self._moved = tell, ticket, moved
        self._front: Visit | None = None
        self._front_ticket, self._front_code = "", ""
        self._somebody = asyncio.Event()
        self._signals = steel.subscribe()
        steel.watcher = self._on_steel

    def join(self, visit: Visit) -> None:
        """Stand in line."""
        self.line.append(visit)
        self.steel.waiting = len(self.line)
        self._somebody.set()

    def send_home(self) -> None:
        """Everybody leaves but the guest in front."""
        self.line.clear()
        self.steel.waiting = 0

    async def serve(self) -> None:
        """One guest after the other, until cancelled."""
        while True:
            while not self.line:
                self._somebody.clear()
                await self._somebody.wait()
            visit = self.line.popleft()
            self.steel.waiting = len(self.line)
            self.busy = True
            await self._visit(visit)
            self.busy = False
            self._moved()

    def leave(self) -> None:
        """Nobody is here any more, and nobody listens. Idempotent."""
        self.send_home()
        self.steel.watcher = None
        self.steel.unsubscribe(self._signals)

    # ---- one visit

    async def _visit(self, visit: Visit) -> None:
        await self._until_locked()
        if visit.twin:
            await self._meeting.meet(visit)
            await self._until_locked()
        self._front_ticket, self._front_code = ("", visit.code) if visit.pool is None else self._ticket(visit.pool, visit.index)
        self._front = visit
        try:
            how = self._push(visit) if self.steel.fire_release else await self._show_and_go(visit)
            self._tell(GuestLeft(visit.guest, self.lane_id, visit.kind, self._front_ticket, how, **when(self._clock.now())))
        finally:
            self._front = None
            self._front_ticket = self._front_code = ""

    async def _until_locked(self) -> None:
        """An arm that stands open for somebody who left is let alone."""
        self._forget_signals()
        while self.steel.unlocked and not self.steel.fire_release:
            await self._until(("relocked",), self.steel.open_window_ms / 1000)

    async def _show_and_go(self, visit: Visit) -> Ending:
        """Hold the code up until there is an answer, and act on it."""
        self._count_first(visit)
        loop = asyncio.get_running_loop()
        gives_up = loop.time() + self._order.patience_ms / 1000
        how: Ending = "gave_up"
        attempt, shown_at, signal = 0, 0.0, ""
        while not signal and (left_s := gives_up - loop.time()) > 0:
            attempt += 1
            shown_at = loop.time()
            self._show(visit, attempt)
            signal = await self._until(("unlocked", "refused"), min(left_s, self._order.show_again_ms / 1000))
        while signal:
            how = await self._answered(visit, signal)
            # Held up twice, a code may be answered twice: the second answer must not meet the next guest.
            linger_s = shown_at + LINGER_S - loop.time() if attempt > 1 else 0.0
            signal = await self._until(("unlocked", "refused"), linger_s) if linger_s > 0 else ""
        if how == "gave_up":
            self._counts.gave_up += 1
        return how

    async def _answered(self, visit: Visit, signal: str) -> Ending:
        if signal == "refused":
            self._counts.refused += 1
            return "refused"
        if visit.hesitates and not self.steel.fire_release:
            self._counts.hesitated += 1
            await self._until(("relocked",), 2 * self.steel.open_window_ms / 1000)
            return "hesitated"
        await asyncio.sleep(visit.turn_ms / 1000)
        return self._push(visit)

    def _push(self, visit: Visit) -> Ending:
        if self.steel.push_in():
            return "turned"
        self._counts.gave_up += 1
        return "locked"

    def _show(self, visit: Visit, attempt: int) -> None:
        now = self._clock.now()  # of the showing, which the lane may answer before this record is written
        heard = self._scanners.present(self.lane_id, self._front_code)
        self._counts.shown += 1
        self._counts.unheard += not heard
        self._tell(CodeShown(visit.guest, attempt, self.lane_id, visit.kind, self._front_ticket, heard, **when(now)))

    def _count_first(self, visit: Visit) -> None:
        self._counts.presented += 1
        self._counts.kinds[visit.kind] = self._counts.kinds.get(visit.kind, 0) + 1

    def _on_steel(self, what: Literal["unlock", "turn"]) -> None:
        """The steel's own word, at the moment at which it happens, before anybody can act on it."""
        now, visit = self._clock.now(), self._front
        guest = 0 if visit is None else visit.guest
        kind: Kind | Literal[""] = "" if visit is None else visit.kind
        if what == "unlock":
            self._counts.unlocks += 1
            self._tell(ArmUnlocked(self.lane_id, self.steel.pulses, guest, kind, self._front_ticket, **when(now)))
            return
        self._counts.turns += 1
        free = self.steel.fire_release
        ticket = "" if free else self._front_ticket
        self._tell(ArmTurned(self.lane_id, self.steel.counter_in, guest, kind, ticket, free, **when(now)))

    def _forget_signals(self) -> None:
        while not self._signals.empty():
            self._signals.get_nowait()

    async def _until(self, wanted: tuple[str, ...], patience_s: float) -> str:
        """The first of these signals; "" when the patience is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while True:
                    signal = await self._signals.get()
                    if signal in wanted:
                        return signal
        return ""
