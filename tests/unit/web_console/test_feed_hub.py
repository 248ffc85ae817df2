"""One reader, many mailboxes: order, conflation, gaps and outages, without a socket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from resort.errors import Bug, Unavailable
from resort.feed import Delta, FeedFrame, Heartbeat, Snapshot
from resort.figures import SiteFigures
from sim.memory_feed import MemoryFeed
from tests.unit.web_console.fakes import AT, QUICK, board, pass_one
from web_console.board import advanced
from web_console.feed_hub import FeedHub, FeedTiming, Mailbox

LIMIT_S = 20


@pytest.fixture
def feed() -> MemoryFeed:
    return MemoryFeed(board(), heartbeat_s=0.02)


@pytest.fixture
async def hub(feed: MemoryFeed) -> AsyncIterator[FeedHub]:
    hub = FeedHub(feed, QUICK)
    await hub.start()
    yield hub
    await hub.stop()


async def take(mailbox: Mailbox) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT_S):
        frame = await mailbox.next()
    assert frame is not None
    decoded: dict[str, Any] = msgspec.json.decode(frame)
    return decoded


async def take_kind(mailbox: Mailbox, kind: str) -> dict[str, Any]:
    while (frame := await take(mailbox))["type"] != kind:
        pass
    return frame


async def until(condition: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - the source and the hub are what moves; there is no event to wait for
            await asyncio.sleep(0)


async def test_a_listener_starts_with_a_snapshot_and_goes_on_with_deltas(hub: FeedHub, feed: MemoryFeed) -> None:
    mailbox = hub.subscribe()
    assert (await take(mailbox))["version"] == 1
    for version in (2, 3, 4):
        await pass_one(feed)
        delta = await take_kind(mailbox, "delta")
        assert (delta["since"], delta["version"]) == (version - 1, version)
        assert delta["lanes"][0]["passages"] == version - 1
    assert hub.board() == feed.board


async def test_heartbeats_pass_when_nothing_changes(hub: FeedHub) -> None:
    mailbox = hub.subscribe()
    await take_kind(mailbox, "snapshot")
    assert [(await take(mailbox))["type"] for _ in range(3)] == ["heartbeat"] * 3


async def test_each_listener_gets_the_same_bytes(hub: FeedHub, feed: MemoryFeed) -> None:
    mailboxes = [hub.subscribe() for _ in range(5)]
    first = [await mailbox.next() for mailbox in mailboxes]
    assert len({id(frame) for frame in first}) == 1, "encoded more than once"


async def test_a_late_listener_sees_the_merged_board(hub: FeedHub, feed: MemoryFeed) -> None:
    early = hub.subscribe()
    await take(early)
    for _ in range(3):
        await pass_one(feed)
    while (await take_kind(early, "delta"))["version"] != 4:
        pass
    calls = len(feed.calls)
    snapshot = await take(hub.subscribe())
    assert (snapshot["type"], snapshot["version"], snapshot["lanes"][0]["passages"]) == ("snapshot", 4, 3)
    assert feed.calls[:calls].count(None) == 1, "a listener must not cost a call of the source"


async def test_a_slow_listener_is_conflated_and_the_others_are_not(hub: FeedHub, feed: MemoryFeed) -> None:
    slow, quick = hub.subscribe(), hub.subscribe()
    await take(slow)
    await take(quick)
    seen = board()
    for _ in range(3 * FeedHub.MAILBOX_SIZE):
        await pass_one(feed)
        frame = await take_kind(quick, "delta")
        seen = advanced(seen, msgspec.convert(frame, Delta, strict=False))
    assert seen == feed.board
    assert hub.conflations == 1, "once behind, a listener is only behind"
    frame = await take(slow)
    assert (frame["type"], frame["version"]) == ("snapshot", feed.board.version)
    await pass_one(feed)
    assert (await take_kind(slow, "delta"))["since"] == frame["version"]


async def test_heartbeats_never_fill_a_mailbox(hub: FeedHub, feed: MemoryFeed) -> None:
    mailbox = hub.subscribe()
    await take(mailbox)
    calls = len(feed.calls)
    await until(lambda: len(feed.calls) > calls + 2 * FeedHub.MAILBOX_SIZE)
    assert hub.conflations == 0


async def test_an_outage_is_silence_and_ends_with_a_snapshot(hub: FeedHub, feed: MemoryFeed) -> None:
    mailbox = hub.subscribe()
    await take(mailbox)
    await feed.go_away()
    await until(lambda: not hub.live)
    with pytest.raises(Unavailable):
        hub.board()
    tries = len(feed.calls)
    await until(lambda: len(feed.calls) > tries + 3)  # it keeps trying
    newcomer = hub.subscribe()
    # Whatever was queued before the outage may still come; after it there is nothing, for anyone.
    for listener in (mailbox, newcomer):
        reading = asyncio.create_task(_drain(listener))
        assert (await asyncio.wait({reading}, timeout=0.2))[1] == {reading}
        size = len(feed.calls)
        await until(lambda tries=size: len(feed.calls) > tries + 3)
        assert not hub.live
        reading.cancel()
    await feed.come_back()
    assert (await take(mailbox))["type"] == "snapshot"
    assert (await take(newcomer))["type"] == "snapshot"


async def test_a_restarted_source_leads_to_a_fresh_snapshot(hub: FeedHub, feed: MemoryFeed) -> None:
    mailbox = hub.subscribe()
    await take(mailbox)
    for _ in range(3):
        await pass_one(feed)
    while (await take_kind(mailbox, "delta"))["version"] != 4:
        pass
    await feed.restart(board(version=1, passages=9))
    frame = await take_kind(mailbox, "snapshot")
    assert (frame["version"], frame["lanes"][0]["passages"]) == (1, 9)


class ScriptedFeed:
    """Gives the frames it was given, in order, then waits for ever."""

    def __init__(self, *frames: FeedFrame | Exception) -> None:
        self.frames = list(frames)
        self.asked: list[int | None] = []

    async def next_frame(self, since: int | None) -> FeedFrame:
        self.asked.append(since)
        if not self.frames:
            await asyncio.Event().wait()
        frame = self.frames.pop(0)
        if isinstance(frame, Exception):
            raise frame
        return frame

    async def figures(self) -> SiteFigures:
        return SiteFigures()


@pytest.mark.parametrize(
    "odd",
    [
        Delta(5, 6, AT, [], [], None),
        Delta(0, 2, AT, [], [], None),
        Heartbeat(7, AT),
        Bug("feed"),
        RuntimeError("a surprise"),
    ],
    ids=lambda odd: type(odd).__name__,
)
async def test_whatever_does_not_fit_leads_to_a_fresh_snapshot(odd: FeedFrame | Exception) -> None:
    source = ScriptedFeed(board(1), odd, board(8))
    hub = FeedHub(source, QUICK)
    mailbox = hub.subscribe()
    await hub.start()
    async with asyncio.timeout(LIMIT_S):
        while (await take(mailbox))["version"] != 8:
            pass
    assert source.asked[:3] == [None, 1, None]
    await hub.stop()


async def test_a_delta_before_any_snapshot_is_not_passed_on() -> None:
    source = ScriptedFeed(Delta(0, 1, AT, [], [], None), board(2))
    hub = FeedHub(source, QUICK)
    mailbox = hub.subscribe()
    await hub.start()
    assert (await take(mailbox))["type"] == "snapshot"
    await hub.stop()


async def test_a_source_that_hangs_counts_as_away() -> None:
    source = ScriptedFeed(board(1))
    hub = FeedHub(source, FeedTiming(pace_s=0, patience_s=0.05, backoff_first_s=0.01, backoff_limit_s=0.01))
    await hub.start()
    await until(lambda: hub.live)
    await until(lambda: not hub.live and len(source.asked) >= 4)
    await hub.stop()


async def test_stop_ends_every_listener_and_is_idempotent(feed: MemoryFeed) -> None:
    hub = FeedHub(feed, QUICK)
    await hub.start()
    mailbox = hub.subscribe()
    await take(mailbox)
    waiting = asyncio.create_task(_drain(mailbox))
    await hub.stop()
    await hub.stop()
    async with asyncio.timeout(LIMIT_S):
        await waiting
    assert mailbox.close_code == 1001
    hub.unsubscribe(mailbox)
    hub.unsubscribe(mailbox)
    assert hub.listeners == 0


async def _drain(mailbox: Mailbox) -> None:
    while await mailbox.next() is not None:
        pass


async def test_a_board_is_encoded_as_a_snapshot(hub: FeedHub, feed: MemoryFeed) -> None:
    await until(lambda: hub.live)
    encoded = hub.encoded_snapshot()
    assert encoded is not None
    assert msgspec.json.decode(encoded, type=Snapshot) == feed.board
