"""A lane process's spool: its events on its own disk, from before they count until SQL has them.

Promise: what `append` took survives a kill and a power cut. Appends that come while the disk is busy share its next
synchronous write, which a thread does; the file is filled with zeros ahead of its use, so that a full disk is met before
a grant and not in the middle of one. The living owner holds a lock on the file: who gets it knows that the owner is dead.
How records look is in `storage/spool_file.py`, what goes where in `storage/spool_book.py`.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resort.errors import Bug, Busy, SpoolFull
from resort.ids import LaneId
from resort.messages import JournalEvent, encode_event
from storage.disk_thread import DiskThread
from storage.spool_book import LEFT_BY_GRANTS, PART, Round, SpoolBook, decoded, no_room
from storage.spool_file import HEAD, SEGMENT, read_content

MAX_BYTES = 32 << 20  # some 60,000 events
LEAST_SEGMENTS = 4
GRANTS_AT_ONCE = 0.125  # room in segments for grants that were told that there is room
AHEAD = 2.5  # segments of free room below which another one is filled with zeros
TRY_AGAIN_S = 1.0
SUFFIX = ".spool"
_log = logging.getLogger("snowgate.spool")


@dataclass(slots=True, eq=False)
class _Asked:
    """One call of `append` that waits for the disk."""

    events: Sequence[JournalEvent]
    bodies: list[bytes]
    size: int
    done: asyncio.Future[None]


class Spool:
    """One file, several lanes. Use within one event loop and `close` at the end; a killed owner needs nothing closed."""

    def __init__(self, path: Path, fd: int, most: int, segment: int, try_again_s: float) -> None:
        """For `open` only."""
        self._path = path
        self._fd = fd
        self._most = most
        self._try_again_s = try_again_s
        self._book = SpoolBook(segment, os.fstat(fd).st_size // segment)
        self._problem = ""  # why nothing can be written
        self._shortage = ""  # why the file cannot grow
        self._tried_at = float("-inf")
        self._queue: deque[_Asked] = deque()
        self._queued = 0  # bytes asked for, with those under way
        self._busy = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closed = False
        self._thread = DiskThread(f"spool {path.stem}")

    @classmethod
    def open(cls, path: Path, max_bytes: int = MAX_BYTES, segment: int = SEGMENT, try_again_s: float = TRY_AGAIN_S) -> "Spool":
        """Take the file, made if needed, and recover what it holds. Blocks for some milliseconds. `segment` must be the same
        at every opening of a file; after a failure the disk is tried again at most every `try_again_s`.

        Raises Busy while somebody else has it, SpoolFull when the disk does not let it be made or read.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _failed(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            spool = cls(path, fd, max(LEAST_SEGMENTS, max_bytes // segment), segment, try_again_s)
            spool._recover()
            _sync_folder(path.parent)
            spool._thread.start()
        except BlockingIOError:
            os.close(fd)
            raise Busy(f"The spool {path.name}", 0.2) from None
        except OSError as error:
            os.close(fd)
            raise _failed(error) from error
        except BaseException:
            os.close(fd)
            raise
        return spool

    # ---- writing

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Have events on disk; each has its lane's number, above those before. Durable on return, all or (for us) none.

        Raises SpoolFull: a grant while it leaves no room for what may follow, others once only outcomes fit, outcomes only
        when nothing at all fits or the disk fails. Then they may be appended again.
        """
        if self._closed:
            raise SpoolFull(PART, "it is closed")
        if not events:
            return
        bodies = [encode_event(event) for event in events]
        if max(map(len, bodies)) > self._book.segment // 2:
            raise Bug("an event is too large for the spool")
        size = sum(map(len, bodies)) + HEAD * len(bodies)
        asked = _Asked(events, bodies, size, asyncio.get_running_loop().create_future())
        self._queue.append(asked)
        self._queued += size
        self._wake()
        await asked.done

    def check_room(self) -> None:
        """Raises SpoolFull when a grant would find no room."""
        left = self._book.room() - self._queued
        if self._closed or self._book.suspect or left < (LEFT_BY_GRANTS + GRANTS_AT_ONCE) * self._book.segment:
            self._try_again()
            raise self._full()

    @property
    def percent_used(self) -> float:
        """How much of the room for grants is taken, as far as the file may grow; 100: none is granted any more."""
        if self._problem:
            return 100.0
        book = self._book
        segments = book.allocated if self._shortage else max(self._most, book.allocated)
        free = book.room() - self._queued + (segments - book.allocated) * book.segment
        reserve = LEFT_BY_GRANTS * book.segment
        whole = segments * book.segment - reserve
        return 100.0 if whole <= 0 else min(100.0, max(0.0, 100.0 * (1.0 - (free - reserve) / whole)))

    async def flushed(self) -> None:
        """Wait until nothing is on its way to the disk."""
        await self._quiet.wait()

    async def close(self) -> None:
        """Finish what is under way and let the file go; idempotent."""
        if self._closed:
            return
        self._closed = True
        await self._quiet.wait()
        with contextlib.suppress(OSError, SpoolFull):
            plan = self._book.begin()
            self._book.mark(plan)
            if plan.writes:
                self._write(plan.writes)
        self._thread.close()
        os.close(self._fd)

    # ---- what SQL does not have

    def unconfirmed(self) -> list[JournalEvent]:
        """Events on disk that SQL may not have, in the order they were appended."""
        return self._book.unconfirmed()

    def confirm(self, stored: Mapping[LaneId, int]) -> None:
        """SQL has every event of these lanes up to these numbers: forget them.

        A ledger that lost entries may pass on a lane's event without the one before. So after any loss of the ledger, all
        of `unconfirmed` must be stored past it before a number that came by it counts.
        """
        self._book.confirm(stored)

    def last_seq(self, lane_id: LaneId) -> int:
        """The highest number of a lane's events that this spool ever had, 0 if none."""
        return self._book.last_seq(lane_id)

    # ---- rounds of writing, one at a time

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            self._quiet.clear()
            # Not at once: what is appended in this turn of the loop goes along.
            asyncio.get_running_loop().call_soon(self._next_round)

    def _try_again(self) -> None:
        """After a failure, without anybody appending: grants wait for room that only another try can find."""
        if not self._closed and asyncio.get_running_loop().time() - self._tried_at >= self._try_again_s:
            self._wake()

    def _next_round(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._lacks_segments() and (not self._shortage or now - self._tried_at >= self._try_again_s):
            self._tried_at = now
            self._thread.run(self._grow, lambda _: self._write_round() if self._shortage else self._next_round())
        else:
            self._write_round()

    def _write_round(self) -> None:
        taken: list[_Asked] = []
        try:
            plan = self._book.begin()
        except SpoolFull:
            self._answer_all(self._queue, self._full())
            self._rest()
            return
        while self._queue:
            asked = self._queue.popleft()
            try:
                self._book.place(plan, asked.events, asked.bodies)
                taken.append(asked)
            except SpoolFull:
                self._answer(asked, self._full())
        if not plan.writes:
            self._rest()
            return
        self._tried_at = asyncio.get_running_loop().time()
        self._thread.run(lambda: self._write(plan.writes), lambda error: self._written(plan, taken, error))

    def _written(self, plan: Round, asked: list[_Asked], error: BaseException | None) -> None:
        if error is None:
            self._book.take(plan)
        else:
            self._book.fail(plan)
        self._tell_problem("" if error is None else _sentence(error))
        self._answer_all(deque(asked), None if error is None else self._full())
        if self._queue:
            self._next_round()
        else:
            self._rest()

    def _rest(self) -> None:
        self._busy = False
        self._quiet.set()

    def _answer_all(self, queue: deque[_Asked], error: Exception | None) -> None:
        while queue:
            self._answer(queue.popleft(), error)

    def _answer(self, asked: _Asked, error: Exception | None) -> None:
        self._queued -= asked.size
        if asked.done.done():
            return  # who asked was cancelled; what is written is written
        if error is None:
            asked.done.set_result(None)
        else:
            asked.done.set_exception(error)

    def _full(self) -> SpoolFull:
        if self._closed:
            return SpoolFull(PART, "it is closed")
        return SpoolFull(PART, self._problem or self._shortage) if self._problem or self._shortage else no_room()

    def _tell_problem(self, problem: str) -> None:
        """Log edges only."""
        if problem and not self._problem:
            _log.error("the spool %s takes nothing: %s", self._path.name, problem)
        elif self._problem and not problem:
            _log.info("the spool %s takes events again", self._path.name)
        self._problem = problem

    # ---- the disk

    def _lacks_segments(self) -> bool:
        book = self._book
        return book.allocated < self._most and book.room() - self._queued < AHEAD * book.segment

    def _grow(self) -> None:
        """Fill one more segment with zeros, on disk."""
        try:
            _write_all(self._fd, bytes(self._book.segment), self._book.allocated * self._book.segment)
            os.fsync(self._fd)
        except OSError as error:
            if not self._shortage:
                _log.error("the spool %s cannot grow: %s", self._path.name, _sentence(error))
            self._shortage = _sentence(error)
        else:
            self._book.allocated += 1
            self._shortage = ""

    def _write(self, writes: Sequence[tuple[int, bytearray]]) -> None:
        for offset, data in writes:
            _write_all(self._fd, data, offset, os.RWF_DSYNC)

    def _recover(self) -> None:
        content = read_content(self._fd, self._book.segment)
        whole = self._book.recover(content)
        os.fdatasync(self._fd)  # what a killed process had written counts, so it must be on disk
        if not whole:
            copy = _set_aside(self._path)
            _log.error("the spool %s is damaged; what can be read of it counts, a copy is %s", self._path.name, copy)
        while self._lacks_segments() and not self._shortage:
            self._grow()
        if whole:
            return
        for index in content.foreign:
            _write_all(self._fd, bytes(self._book.segment), index * self._book.segment)
        with contextlib.suppress(SpoolFull):
            for _ in range(2):  # write anew what could be read; once that is on disk, say that its old place does not count
                plan = self._book.begin()
                self._book.mark(plan)
                self._write(plan.writes)
                self._book.take(plan)


def read_spool(path: Path, segment: int = SEGMENT) -> list[JournalEvent] | None:
    """What a dead owner left and SQL may not have, oldest first; None while the owner lives. Changes nothing.

    A file that is not there is an empty one. Raises SpoolFull when the disk does not let it be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _failed(error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: several may look after the same dead owner
        content = read_content(fd, segment)
    except BlockingIOError:
        return None
    except OSError as error:
        raise _failed(error) from error
    finally:
        os.close(fd)
    events: dict[str, JournalEvent] = {}
    for _, event in decoded(content)[0]:
        if event.lane_seq > content.stored.get(event.lane_id, 0):
            events.setdefault(event.event_id, event)
    return list(events.values())


def _set_aside(path: Path) -> str:
    number = 1
    while (copy := path.with_suffix(f".damaged-{number}")).exists():
        number += 1
    with contextlib.suppress(OSError):  # no room for it is no reason not to go on
        shutil.copyfile(path, copy)
    return copy.name


def _write_all(fd: int, data: bytes | bytearray, offset: int, flags: int = 0) -> None:
    view = memoryview(data)
    while view:
        written = os.pwritev(fd, [view], offset, flags)
        view, offset = view[written:], offset + written


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sentence(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _failed(error: OSError) -> SpoolFull:
    return SpoolFull(PART, _sentence(error))
