"""Sightings: what a stream of readings tells the lane, and a real camera, reader and rules together."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from devices.presence import CODES_KEPT, PATIENCE_FACTOR, REPEAT_FACTOR, Presence
from resort.clock import ManualClock, Moment, SystemClock
from resort.ports import Audible, CodeSource, Framed, Sighting
from sim.camera_server import CameraServer
from sim.scene import Scene

UNREADABLE_MS = 1_800
REPEAT_MS = 2_500
HELD_MS = REPEAT_MS * REPEAT_FACTOR
WAIT_S = 30


class Camera:
    """Readings by hand: what is held up, for how long, at six frames a second."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 12, 5, 9, 0, tzinfo=UTC))
        self.presence = Presence(UNREADABLE_MS, REPEAT_MS)

    def reads(self, text: str | None, *, occupied: bool = True) -> bool:
        """One frame; True when it was told."""
        frame_at = self.clock.now()
        now = self.clock.advance_ms(5)
        sighting = self.presence.take(text, occupied=occupied, frame_at=frame_at, now=now)
        assert sighting is None or sighting == Sighting(text, frame_at, now)
        return sighting is not None

    def shows(self, text: str | None, for_ms: float, *, occupied: bool = True) -> list[float]:
        """Frames for a time; answers at which milliseconds something was told."""
        began, told = self.clock.now(), []
        while (since := self.clock.now().ms_since(began)) < for_ms:
            if self.reads(text, occupied=occupied):
                told.append(since)
            self.clock.advance_ms(160)
        return told

    def is_empty(self, for_ms: float) -> None:
        assert self.shows(None, for_ms, occupied=False) == []


def test_a_code_is_told_at_its_first_frame_and_not_again_while_it_stays() -> None:
    assert Camera().shows("A", HELD_MS - 200) == [0.0]


def test_a_code_that_stays_is_told_again_so_that_a_lapsed_grant_gets_a_second_try() -> None:
    told = Camera().shows("A", 3 * HELD_MS)
    assert len(told) == 3
    assert all(HELD_MS <= later - earlier < HELD_MS + 400 for earlier, later in pairwise(told))


def test_a_code_that_was_lowered_is_told_as_soon_as_it_returns() -> None:
    camera = Camera()
    assert camera.shows("A", 700) == [0.0]
    camera.is_empty(REPEAT_MS + 200)
    assert camera.reads("A")


def test_a_short_gap_is_no_second_scan() -> None:
    camera = Camera()
    camera.shows("A", 700)
    camera.is_empty(REPEAT_MS - 500)
    assert not camera.reads("A")


def test_gaps_do_not_put_the_second_try_off() -> None:
    camera = Camera()
    told = []
    for _ in range(12):
        told += [camera.reads("A")]
        camera.is_empty(1_000)
    assert told.count(True) == 2


def test_the_next_guest_is_told_at_once() -> None:
    camera = Camera()
    assert camera.reads("A")
    assert camera.reads("B")


def test_two_codes_in_sight_are_told_once_each_however_frames_alternate() -> None:
    camera = Camera()
    assert [camera.reads(text) for text in "ABABBABAAB"] == [True, True] + [False] * 8


def test_something_unreadable_is_told_once_a_presence() -> None:
    camera = Camera()
    told = camera.shows(None, 20_000)
    assert len(told) == 1
    assert UNREADABLE_MS <= told[0] < UNREADABLE_MS + 200
    camera.is_empty(170)
    assert len(camera.shows(None, 5_000)) == 1


def test_something_that_passes_by_is_not_told() -> None:
    camera = Camera()
    for _ in range(5):
        assert camera.shows(None, UNREADABLE_MS - 200) == []
        camera.is_empty(170)


def test_a_code_that_is_read_late_is_never_called_unreadable() -> None:
    camera = Camera()
    assert camera.shows(None, UNREADABLE_MS - 200) == []
    assert camera.reads("A")
    assert camera.shows(None, UNREADABLE_MS + 200) == []


def test_who_turns_the_phone_away_after_it_was_read_is_left_alone_until_the_arm_is_locked() -> None:
    camera = Camera()
    camera.reads("A")
    told = camera.shows(None, 20_000)
    assert len(told) == 1
    assert told[0] >= UNREADABLE_MS * PATIENCE_FACTOR - 200


def test_the_guest_behind_gets_the_usual_patience() -> None:
    camera = Camera()
    camera.reads("A")
    camera.is_empty(170)
    assert len(camera.shows(None, UNREADABLE_MS + 400)) == 1


@given(st.lists(st.tuples(st.sampled_from(["A", "B", "C", None]), st.booleans(), st.integers(0, 4_000)), max_size=60))
def test_no_code_is_told_more_often_than_once_in_the_repeat_time(frames: list[tuple[str | None, bool, int]]) -> None:
    camera = Camera()
    last: dict[str | None, float] = {}
    elapsed = 0.0
    for text, occupied, pause_ms in frames:
        if camera.reads(text, occupied=occupied or text is not None):
            least = REPEAT_MS if text else UNREADABLE_MS
            assert elapsed - last.get(text, -1e9) >= least
            last[text] = elapsed
        elapsed += pause_ms + 5
        camera.clock.advance_ms(pause_ms)


def test_what_is_remembered_is_bounded_and_forgets_the_longest_gone() -> None:
    camera = Camera()
    for number in range(CODES_KEPT + 1):
        assert camera.reads(f"code {number}")
    assert not camera.reads(f"code {CODES_KEPT}")
    assert camera.reads("code 0")


# ---- the real parts together


@pytest_asyncio.fixture
async def stand() -> AsyncIterator[CameraServer]:
    server = CameraServer(["lane"], fps=30.0)
    await server.start()
    yield server
    await server.stop()


def source_at(server: CameraServer, unreadable_after_ms: float = 100) -> CameraCodeSource:
    clock = SystemClock()
    return CameraCodeSource(MjpegCamera(server.url("lane"), clock), CodeReader(), clock, unreadable_after_ms, REPEAT_MS)


async def next_of(sightings: AsyncIterator[Sighting]) -> Sighting:
    async with asyncio.timeout(WAIT_S):
        return await anext(sightings)


async def frames_read(server: CameraServer, source: CameraCodeSource, count: int) -> None:
    """Wait until the source has looked at so many frames; another viewer of the same camera tells when one came."""
    watcher = MjpegCamera(server.url("lane"), SystemClock())
    watcher.start()
    async with asyncio.timeout(WAIT_S):
        while source.frames_read < count:
            await watcher.next_frame()
    await watcher.close()


async def test_guests_one_after_the_other_are_sighted(stand: CameraServer) -> None:
    source: CodeSource = source_at(stand)
    sightings = source.sightings()
    for seed, text in enumerate(["FIRST GUEST", "SECOND GUEST", "HTTPS://EXAMPLE.COM/3"]):
        stand.show("lane", Scene(text, seed))
        sighting = await next_of(sightings)
        assert sighting.text == text
        assert sighting.read_at.ms_since(sighting.frame_at) > 0
    stand.show("lane", None)
    await source.close()


async def test_something_unreadable_is_sighted(stand: CameraServer) -> None:
    source = source_at(stand)
    sightings = source.sightings()
    stand.show("lane", Scene("READ ME FIRST", 1))
    assert (await next_of(sightings)).text == "READ ME FIRST"
    waiting = asyncio.create_task(next_of(sightings))
    stand.show("lane", None)
    await frames_read(stand, source, source.frames_read + 2)  # the empty lane was looked at in between
    stand.show("lane", Scene(None, 2))
    assert (await waiting).text is None
    await source.close()


async def test_closing_ends_the_sightings_and_may_be_repeated(stand: CameraServer) -> None:
    source = source_at(stand)

    async def all_of_them() -> list[Sighting]:
        return [sighting async for sighting in source.sightings()]

    stand.show("lane", Scene("SOMEBODY", 1))
    collecting = asyncio.create_task(all_of_them())
    await frames_read(stand, source, 1)
    async with asyncio.timeout(WAIT_S):
        await source.close()
        assert [sighting.text for sighting in await collecting] in (["SOMEBODY"], [])
    await source.close()


async def test_it_knows_when_the_newest_picture_came(stand: CameraServer) -> None:
    source = source_at(stand)
    assert isinstance(source, Audible)
    assert source.last_heard is None
    stand.show("lane", Scene("SOMEBODY", 1))
    sighting = await next_of(source.sightings())
    first = source.last_heard
    assert first is not None
    assert first.tick_ns >= sighting.frame_at.tick_ns
    await source.close()


async def test_a_second_consumer_gets_the_newest_frames_and_takes_none_away(stand: CameraServer) -> None:
    source = source_at(stand)
    assert isinstance(source, Framed)
    stand.show("lane", Scene("BEFORE", 1))
    sightings = source.sightings()
    assert (await next_of(sightings)).text == "BEFORE"
    assert (source.frames(3), source.stirred) == ([], False)  # nobody asked for them yet
    source.watch_scene()
    waiting = asyncio.create_task(next_of(sightings))
    await frames_read(stand, source, source.frames_read + 4)
    frames = source.frames(9)
    assert len(frames) == 3
    assert [frame.at.tick_ns for frame in frames] == sorted(frame.at.tick_ns for frame in frames)
    assert source.frames(1) == [source.frames(9)[-1]]
    mark = await source.news(0)
    assert await source.news(mark) > mark  # the next frame
    assert source.stirred  # nothing is known of the scene yet
    stand.show("lane", Scene("AFTER", 2))
    assert (await waiting).text == "AFTER"
    await source.close()


async def test_while_a_face_is_read_no_time_goes_into_what_is_hard_to_read(stand: CameraServer) -> None:
    reader = CodeReader(second_share=1.0)
    source = CameraCodeSource(MjpegCamera(stand.url("lane"), SystemClock()), reader, SystemClock(), 60_000, 2_500)
    source.watch_scene()
    source.face_is_read(under_way=True)
    waiting = asyncio.create_task(next_of(source.sightings()))
    await frames_read(stand, source, 3)
    source.settle()  # nobody there
    await frames_read(stand, source, source.frames_read + 2)
    before = reader.second_opinions  # those of the very first frame
    stand.show("lane", Scene(None, 1))
    await frames_read(stand, source, source.frames_read + 6)
    assert source.stirred
    assert reader.second_opinions == before
    source.face_is_read(under_way=False)
    await frames_read(stand, source, source.frames_read + 4)
    assert reader.second_opinions > before
    stand.show("lane", Scene("AFTER", 2))
    assert (await waiting).text == "AFTER"
    await source.close()


async def test_it_goes_on_after_the_camera_was_away(stand: CameraServer) -> None:
    source = source_at(stand)
    sightings = source.sightings()
    stand.show("lane", Scene("BEFORE", 1))
    assert (await next_of(sightings)).text == "BEFORE"
    port = stand.port
    await stand.stop()
    waiting = asyncio.create_task(next_of(sightings))
    stand.show("lane", Scene("AFTER", 2))
    await stand.start(port)
    assert (await waiting).text == "AFTER"
    await source.close()


class StoppedClock(SystemClock):
    """A mistake of ours in the middle of receiving."""

    def now(self) -> Moment:
        raise ZeroDivisionError


async def test_a_mistake_of_ours_is_told_to_the_lane_and_does_not_leave_it_blind() -> None:
    server = CameraServer(["lane"])
    await server.start()
    source = CameraCodeSource(MjpegCamera(server.url("lane"), StoppedClock()), CodeReader(), SystemClock(), 1_800, 2_500)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(WAIT_S):
            await anext(aiter(source.sightings()))
    await source.close()
    await server.stop()
