"""A live feed in memory: what `FeedSource` promises, without actors. For tests and for rehearsing consoles."""

import asyncio

import msgspec

from resort.errors import Unavailable
from resort.feed import Delta, FeedFrame, Heartbeat, Snapshot
from resort.figures import SiteFigures


class MemoryFeed:
    """Holds a board and the deltas that led to it. `change` moves it; `go_away` and `come_back` play an outage."""

    def __init__(self, board: Snapshot, *, keep: int = 100, heartbeat_s: float = 1.0) -> None:
        self.board = board
        self.counts = SiteFigures()
        self.calls: list[int | None] = []  # the `since` of each call, for whoever wants to know
        self._deltas: list[Delta] = []
        self._keep = keep
        self._heartbeat_s = heartbeat_s
        self._away = False
        self._changed = asyncio.Condition()

    async def next_frame(self, since: int | None) -> FeedFrame:
        """See the port."""
        self.calls.append(since)
        async with self._changed:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await self._changed.wait_for(lambda: self._away or since != self.board.version)
            except TimeoutError:
                return Heartbeat(self.board.version, self.board.at)
            if self._away:
                raise Unavailable("The live feed", "it is away, as was asked for")
            return self._frame_since(since)

    async def figures(self) -> SiteFigures:
        """See the port."""
        if self._away:
            raise Unavailable("The live feed", "it is away, as was asked for")
        return self.counts

    async def change(self, delta: Delta, board: Snapshot) -> None:
        """Move the board forward: `board` is what `delta` makes of the present one."""
        async with self._changed:
            self._deltas = [*self._deltas, delta][-self._keep :]
            self.board = board
            self._changed.notify_all()

    async def restart(self, board: Snapshot) -> None:
        """Forget everything and stand at `board`, as a restarted feed does."""
        async with self._changed:
            self._deltas = []
            self.board = board
            self._changed.notify_all()

    async def go_away(self) -> None:
        """Answer Unavailable from now on."""
        async with self._changed:
            self._away = True
            self._changed.notify_all()

    async def come_back(self) -> None:
        """Answer again."""
        async with self._changed:
            self._away = False
            self._changed.notify_all()

    def _frame_since(self, since: int | None) -> FeedFrame:
        missed = [delta for delta in self._deltas if since is not None and delta.since >= since]
        if not missed or missed[0].since != since:
            return self.board
        gates = {gate.gate_id: gate for delta in missed for gate in delta.gates}
        lanes = {lane.lane_id: lane for delta in missed for lane in delta.lanes}
        alarms = [delta.alarms for delta in missed if delta.alarms is not None]
        return msgspec.structs.replace(
            missed[-1],
            since=missed[0].since,
            gates=list(gates.values()),
            lanes=list(lanes.values()),
            alarms=alarms[-1] if alarms else None,
        )
