"""One reader of the feed for the whole process, many listeners.

One task long-polls the source; each frame is encoded once and offered to every listener's mailbox. Back-pressure at this hop
is conflation: a mailbox holds a few frames, and a listener that falls behind gets one fresh snapshot in place of what it
missed, so a slow client costs nobody else time and costs us no memory. While the source is away nothing is sent, heartbeats
least of all: silence is how a page knows that what it shows is old.
"""

import asyncio
import logging
from collections import deque

import msgspec

from resort.errors import SnowgateError, Unavailable
from resort.feed import Delta, FeedFrame, Heartbeat, Snapshot
from resort.ports import FeedSource
from web_console.board import advanced

_log = logging.getLogger(__name__)

GOING_AWAY = 1001  # RFC 6455, section 7.4.1


class FeedTiming(msgspec.Struct, frozen=True):
    """Times of the feed; seconds."""

    pace_s: float = 0.05  # at most one frame in this time: 20 a second are live enough, and the source may make hundreds
    patience_s: float = 5.0  # the source answers within about 1 s; one that says nothing for this long is away
    backoff_first_s: float = 0.2  # between tries while the source is away, doubled each time
    backoff_limit_s: float = 2.0
    recheck_s: float = 30.0  # how often the sessions of open sockets are looked at again
    send_limit_s: float = 10.0  # a client that takes nothing for this long is cut off
    close_limit_s: float = 1.0  # for the goodbye of each side


class Mailbox:
    """One listener's frames: a short queue, or the promise of a snapshot when the queue was too short."""

    def __init__(self, hub: "FeedHub", size: int) -> None:
        self._hub = hub
        self._frames: deque[bytes] = deque()
        self._size = size
        self._behind = True  # a new listener starts as one that missed everything
        self._wake = asyncio.Event()
        self.close_code: int | None = None

    def offer(self, frame: bytes, *, only_if_idle: bool = False) -> None:
        """Add a frame; never waits. `only_if_idle`: drop it when others are waiting anyway (heartbeats)."""
        if self._behind or (only_if_idle and self._frames):
            return
        if len(self._frames) >= self._size:
            self.renew()
            self._hub.conflations += 1
            return
        self._frames.append(frame)
        self._wake.set()

    def renew(self) -> None:
        """Forget what is waiting: a snapshot comes instead."""
        self._frames.clear()
        self._behind = True
        self._wake.set()

    def end(self, code: int) -> None:
        """Let the listener's `next` return None, with the WebSocket close code to use."""
        if self.close_code is None:
            self.close_code = code
        self._wake.set()

    async def next(self) -> bytes | None:
        """The next frame to send, waiting for one; None once ended."""
        while self.close_code is None:
            if self._behind:
                snapshot = self._hub.encoded_snapshot()
                if snapshot is not None:
                    self._behind = False
                    return snapshot
            elif self._frames:
                return self._frames.popleft()
            self._wake.clear()
            await self._wake.wait()
        return None


class FeedHub:
    """Reads the feed from `start` to `stop` and keeps the newest board. Not thread-safe: one event loop."""

    MAILBOX_SIZE = 16

    def __init__(self, source: FeedSource, timing: FeedTiming) -> None:
        self._source = source
        self._timing = timing
        self._board: Snapshot | None = None  # None until the first snapshot, and again while the source is away
        self._encoded: bytes | None = None  # the board's, made when first asked for
        self._mailboxes: set[Mailbox] = set()
        self._task: asyncio.Task[None] | None = None
        self._was_away = False
        self.conflations = 0  # listeners that fell behind and were sent a snapshot, since the start

    @property
    def listeners(self) -> int:
        """How many mailboxes are open."""
        return len(self._mailboxes)

    @property
    def live(self) -> bool:
        """Whether the source answered its last call."""
        return self._board is not None

    def board(self) -> Snapshot:
        """The site as it is now. Raises Unavailable while the source is away: an old board must not pass for a live one."""
        if self._board is None:
            raise Unavailable("The live feed", "its source has not answered")
        return self._board

    def encoded_snapshot(self) -> bytes | None:
        """The board as JSON, encoded once for all who ask; None while the source is away."""
        if self._board is not None and self._encoded is None:
            self._encoded = msgspec.json.encode(self._board)
        return self._encoded

    async def start(self) -> None:
        """Begin to read."""
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="feed hub")

    async def stop(self) -> None:
        """Stop reading and end every mailbox; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for mailbox in self._mailboxes:
            mailbox.end(GOING_AWAY)

    def subscribe(self) -> Mailbox:
        """A mailbox that begins with a snapshot. Give it back with `unsubscribe`."""
        mailbox = Mailbox(self, self.MAILBOX_SIZE)
        self._mailboxes.add(mailbox)
        return mailbox

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """Forget a mailbox; idempotent."""
        self._mailboxes.discard(mailbox)

    async def _read(self) -> None:
        pause = self._timing.backoff_first_s
        while True:
            try:
                since = self._board.version if self._board is not None else None
                async with asyncio.timeout(self._timing.patience_s):
                    frame = await self._source.next_frame(since)
                self._take(frame)
            except Exception as error:
                # Whatever it is, consoles must come back by themselves once it is over.
                self._lost(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._timing.backoff_limit_s)
            else:
                pause = self._timing.backoff_first_s
                await asyncio.sleep(self._timing.pace_s)

    def _take(self, frame: FeedFrame) -> None:
        if isinstance(frame, Snapshot):
            self._set_board(frame)
            for mailbox in self._mailboxes:
                mailbox.renew()
            if self._was_away:
                self._was_away = False
                _log.info("the live feed is back, at version %s", frame.version)
        elif self._board is None or (frame.since if isinstance(frame, Delta) else frame.version) != self._board.version:
            # The source and we disagree on where we stand (it may have restarted): begin anew with a snapshot.
            self._set_board(None)
        elif isinstance(frame, Delta):
            self._set_board(advanced(self._board, frame))
            self._offer(frame)
        else:
            self._offer(frame)

    def _offer(self, frame: Delta | Heartbeat) -> None:
        encoded = msgspec.json.encode(frame)
        for mailbox in self._mailboxes:
            mailbox.offer(encoded, only_if_idle=isinstance(frame, Heartbeat))

    def _set_board(self, board: Snapshot | None) -> None:
        self._board = board
        self._encoded = None

    def _lost(self, error: Exception) -> None:
        self._set_board(None)
        if self._was_away:
            return
        self._was_away = True
        if isinstance(error, SnowgateError):
            _log.warning("the live feed is away: %s", error)
        elif isinstance(error, TimeoutError):
            _log.warning("the live feed is away: no answer within %s s", self._timing.patience_s)
        else:
            _log.error("the live feed failed in a way we do not know", exc_info=error)
