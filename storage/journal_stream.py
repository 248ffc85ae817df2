"""Reading the journal stream: for the journal writer, which stores it, and for the feed, which shows it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from resort.clock import Moment
from resort.errors import LedgerUnavailable
from resort.ids import LaneId
from resort.messages import JournalEvent, decode_event
from storage.redis_ledger import LedgerKeys

FIRST = "0-0"
KEEP = timedelta(minutes=10)  # what was stored stays in the stream this long, for a feed that restarts


class StreamEntry(msgspec.Struct, frozen=True):
    """One entry: its stream id, and the event, or the raw body when it is none of ours."""

    stream_id: str
    event: JournalEvent | None
    raw: bytes
    version: int = 0  # the ticket's new version, where the event changed one


class StreamPosition(msgspec.Struct, frozen=True):
    """The newest id (`0-0` before the first entry), and how many entries were ever appended, trimmed ones included."""

    last_id: str
    appended: int


def stream_order(stream_id: str) -> tuple[int, int]:
    """A sortable form of a stream id. Raises ValueError on anything else."""
    match = re.fullmatch(r"(\d+)-(\d+)", stream_id)
    if match is None:
        raise ValueError(f"not a stream id: {stream_id!r}")
    return int(match[1]), int(match[2])


class JournalStream:
    """One reader. Every method raises LedgerUnavailable when the store does not answer."""

    def __init__(self, redis: Redis, site: str) -> None:
        self._redis = redis
        self._keys = LedgerKeys(site)

    async def read_after(self, stream_id: str, most: int, wait_ms: int) -> list[StreamEntry]:
        """Up to `most` entries after `stream_id`, in order; waits up to `wait_ms` for the first one (0: not at all)."""
        try:
            answer: Any = await self._redis.xread({self._keys.journal: stream_id}, count=most, block=wait_ms or None)
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable("The journal stream", str(error).rstrip(".")) from error
        if not answer:
            return []
        _, entries = answer[0]
        return [_entry(entry_id, fields) for entry_id, fields in entries]

    async def position(self) -> StreamPosition:
        """Where the stream stands now."""
        try:
            information = await self._redis.xinfo_stream(self._keys.journal)
        except ResponseError:
            return StreamPosition(FIRST, 0)  # nothing was appended yet
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable("The journal stream", str(error).rstrip(".")) from error
        return StreamPosition(_text(information["last-generated-id"]), int(information["entries-added"]))

    async def tell_stored(self, numbers: Mapping[LaneId, int]) -> None:
        """Say for each lane up to which number of its events SQL has them all."""
        if not numbers:
            return
        columns: dict[Any, Any] = {str(lane_id): number for lane_id, number in numbers.items()}
        try:
            await self._redis.hset(self._keys.stored, mapping=columns)
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable("The journal stream", str(error).rstrip(".")) from error

    async def trim_stored(self, stored_id: str, now: Moment) -> None:
        """Forget entries that are both stored in SQL and older than `KEEP`."""
        oldest_ms = min(int((now.at - KEEP).timestamp() * 1000), stream_order(stored_id)[0])
        try:
            await self._redis.xtrim(self._keys.journal, minid=f"{oldest_ms}-0", approximate=True)
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable("The journal stream", str(error).rstrip(".")) from error


def _entry(entry_id: bytes | str, fields: dict[bytes, bytes]) -> StreamEntry:
    raw = fields.get(b"e", b"")
    try:
        return StreamEntry(_text(entry_id), decode_event(raw), raw, int(fields.get(b"v", 0)))
    except msgspec.MsgspecError:
        return StreamEntry(_text(entry_id), None, raw)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
