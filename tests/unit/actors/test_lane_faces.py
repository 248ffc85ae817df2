"""The faces of one lane: what is asked of the pool and when, late and odd answers, and pictures that go away."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from actors.lane_faces import KNOWN_AGAIN_MS, FaceLimits, LaneFaces
from resort.access.lane_messages import CompareFace, FaceAway, FaceCompared, FaceRecognised, OpenLook
from resort.clock import ManualClock
from resort.errors import FacesUnavailable
from resort.face_rules import FaceDecision, OneToMany, OneToOne, Ranking
from resort.faces import FaceMeasured
from resort.ids import GateId, ScanId, TicketId
from resort.ports import CameraFrame, Framed, Sighting

TICKET = TicketId("00000000000000aa")
ASKED = CompareFace(ScanId("scan_1"), TICKET)
WAIT_S = 30


def identified(score: float, faces: int = 1) -> FaceDecision:
    """What 1:N says of three frames that are all as alike to the ticket's holder."""
    ranking = Ranking(TICKET, score, 0.1)
    return OneToMany().decide(ranking, [ranking] * 3, 100, faces)


class Camera:
    """Frames by hand."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.stirred = True
        self.settled = 0
        self.watched = self.face_first = False
        self.number = 0
        self.shown: list[CameraFrame] = []
        self.shot = asyncio.Event()

    async def news(self, since: int) -> int:
        while self.number == since:
            self.shot.clear()
            await self.shot.wait()
        return self.number

    def watch_scene(self) -> None:
        self.watched = True

    def face_is_read(self, under_way: bool) -> None:
        self.face_first = under_way

    def frames(self, most: int) -> Sequence[CameraFrame]:
        return self.shown[-most:]

    def settle(self) -> None:
        self.settled += 1
        self.stirred = False

    def shoot(self) -> None:
        """One frame more."""
        self.number += 1
        self.shown.append(CameraFrame(b"frame %d" % self.number, self.clock.now()))
        self.shot.set()


class Pool:
    """Answers as it is told, in turn; the last answer stays."""

    def __init__(self) -> None:
        self.compares: list[FaceDecision | Exception | None] = [None]
        self.identity = identified(0.9)
        self.asked: list[Sequence[bytes]] = []
        self.ahead: list[bytes] = []
        self.reading_ahead: asyncio.Event | None = None
        self.away = self.late = False
        self.reached = asyncio.Event()
        self.hanging: asyncio.Event | None = None

    async def measure(self, picture: bytes) -> FaceMeasured:
        raise FacesUnavailable("The pool", "nobody enrols here")

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        self.asked.append(list(frames))
        if self.hanging is not None:
            await self.hanging.wait()
        answer = self.compares.pop(0) if len(self.compares) > 1 else self.compares[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read_ahead(self, frame: bytes) -> None:
        self.ahead.append(frame)
        if self.reading_ahead is not None:
            await self.reading_ahead.wait()

    async def identify(self, gate_id: GateId, frames: Sequence[bytes]) -> FaceDecision:
        self.asked.append(list(frames))
        self.reached.set()
        if self.hanging is not None:
            await self.hanging.wait()
        if self.late:
            raise TimeoutError
        if self.away:
            raise FacesUnavailable("The pool", "it is away")
        return self.identity


class Stand:
    """A lane's face work with camera, pool and lane played by hand."""

    def __init__(self, **limits: object) -> None:
        self.clock = ManualClock(datetime(2026, 12, 5, 9, 0, tzinfo=UTC))
        self.camera, self.pool = Camera(self.clock), Pool()
        settings = msgspec.structs.replace(FaceLimits("identify", GateId("north")), **limits)
        self.faces = LaneFaces(settings, self.camera, self.pool, self.clock)
        self.free = True
        self.told: list[FaceRecognised] = []

    async def looks(self, times: int) -> None:
        """The camera goes on, and the lane looks at it, every tenth of a second."""
        for _ in range(times):
            self.clock.advance_ms(100)
            self.camera.shoot()
            await self.faces.look(lambda: self.free, self.told.append)
            await asyncio.sleep(0)  # a frame that is sent ahead is on its way


def test_the_played_camera_is_one() -> None:
    stand = Stand()
    assert isinstance(stand.camera, Framed)
    assert stand.camera.watched


# ---- 1:1


async def test_the_newest_frame_is_compared_and_that_is_enough_for_the_holder() -> None:
    stand = Stand()
    stand.pool.compares = [OneToOne().decide(0.8)]
    stand.camera.shoot()
    stand.camera.shoot()
    assert await stand.faces.compare(ASKED) == FaceCompared(OneToOne().decide(0.8))
    assert stand.pool.asked == [[b"frame 2"]]


async def test_an_unsure_frame_is_looked_at_together_with_those_around_it() -> None:
    stand = Stand()
    stand.pool.compares = [OneToOne().decide(0.35), OneToOne().decide(0.5)]
    for _ in range(4):
        stand.camera.shoot()
    assert await stand.faces.compare(ASKED) == FaceCompared(OneToOne().decide(0.5))
    assert stand.pool.asked[1] == [b"frame 2", b"frame 3", b"frame 4"]


async def test_frames_from_before_the_code_was_read_lend_nobody_their_face() -> None:
    """The holder has just passed, and somebody follows close behind with another ticket of his."""
    stand = Stand()
    stand.pool.compares = [OneToOne().decide(0.1), OneToOne().decide(0.2)]
    for _ in range(3):
        stand.camera.shoot()
    stand.clock.advance_ms(100)
    stand.camera.shoot()
    now = stand.clock.now()
    assert stand.faces.heeds(Sighting("CODE", now, now))
    stand.clock.advance_ms(100)
    stand.camera.shoot()
    assert await stand.faces.compare(ASKED) == FaceCompared(OneToOne().decide(0.2))
    assert stand.pool.asked == [[b"frame 5"], [b"frame 4", b"frame 5"]]


async def test_a_camera_that_shows_one_frame_of_a_guest_leaves_it_at_that() -> None:
    stand = Stand(compare_ms=100)
    stand.pool.compares = [OneToOne().decide(0.1), OneToOne().decide(0.9)]
    stand.camera.shoot()
    stand.clock.advance_ms(100)
    stand.camera.shoot()
    now = stand.clock.now()
    stand.faces.heeds(Sighting("CODE", now, now))
    assert await stand.faces.compare(ASKED) == FaceCompared(OneToOne().decide(0.1))
    assert stand.pool.asked == [[b"frame 2"]]


async def test_a_second_face_is_not_looked_away_from() -> None:
    stand = Stand()
    second = OneToOne().decide(0.8, faces=2)
    stand.pool.compares = [second, OneToOne().decide(0.8)]
    stand.camera.shoot()
    assert await stand.faces.compare(ASKED) == FaceCompared(second)


async def test_no_frame_or_an_old_one_is_nothing_to_compare() -> None:
    stand = Stand()
    assert isinstance(await stand.faces.compare(ASKED), FaceAway)
    stand.camera.shoot()
    stand.clock.advance_ms(1_501)
    assert isinstance(await stand.faces.compare(ASKED), FaceAway)
    assert stand.pool.asked == []


async def test_a_pool_that_hangs_or_is_away_keeps_nobody_waiting() -> None:
    stand = Stand(compare_ms=20)
    stand.camera.shoot()
    stand.pool.hanging = asyncio.Event()
    async with asyncio.timeout(WAIT_S):
        assert isinstance(await stand.faces.compare(ASKED), FaceAway)
    stand.pool.hanging = None
    stand.pool.compares = [FacesUnavailable("The pool", "it is away")]
    assert isinstance(await stand.faces.compare(ASKED), FaceAway)


async def test_a_second_question_that_fails_leaves_the_first_answer() -> None:
    stand = Stand()
    stand.camera.shoot()
    unsure = OneToOne().decide(0.35)
    stand.pool.compares = [unsure, FacesUnavailable("The pool", "it is away")]
    assert await stand.faces.compare(ASKED) == FaceCompared(unsure)


# ---- 1:N


async def test_three_frames_a_tenth_of_a_second_apart_make_one_question_and_one_scan() -> None:
    stand = Stand()
    await stand.looks(3)
    assert stand.pool.asked == [[b"frame 1", b"frame 2", b"frame 3"]]
    assert [seen.decision.holder for seen in stand.told] == [TICKET]
    assert stand.told[0].frame_at == stand.camera.shown[2].at


async def test_frames_are_sent_ahead_of_their_question_but_the_last() -> None:
    stand = Stand()
    await stand.looks(2)
    assert (stand.pool.ahead, stand.pool.asked) == ([b"frame 1", b"frame 2"], [])
    await stand.looks(1)
    assert (stand.pool.ahead, len(stand.pool.asked)) == ([b"frame 1", b"frame 2"], 1)


async def test_between_two_questions_only_frames_of_the_next_one_are_sent_ahead() -> None:
    stand = Stand()
    stand.pool.identity = identified(0.2)
    await stand.looks(60)
    assert len(stand.pool.asked) >= 3
    for question in stand.pool.asked:
        assert [frame in stand.pool.ahead for frame in question] == [True, True, False]
    assert len(stand.pool.ahead) <= 2 * len(stand.pool.asked) + 2


async def test_two_frames_are_read_ahead_at_a_time_and_the_question_is_asked_all_the_same() -> None:
    stand = Stand(frames=4)
    stand.pool.reading_ahead = asyncio.Event()
    await stand.looks(4)
    assert stand.pool.ahead == [b"frame 1", b"frame 2"]
    assert stand.pool.asked == [[b"frame 1", b"frame 2", b"frame 3", b"frame 4"]]
    stand.pool.reading_ahead.set()
    await asyncio.sleep(0)
    stand.faces.close()


async def test_nobody_is_asked_about_while_the_scene_is_empty_or_the_lane_is_not_free() -> None:
    stand = Stand()
    stand.camera.stirred = False
    await stand.looks(5)
    stand.camera.stirred, stand.free = True, False
    await stand.looks(5)
    assert stand.pool.asked == []
    assert stand.pool.ahead == []


async def test_a_lane_that_only_verifies_asks_for_nobody() -> None:
    stand = Stand(use="verify")
    async with asyncio.timeout(WAIT_S):
        await stand.faces.watch(lambda: True, stand.told.append)
    assert stand.pool.asked == []


async def test_who_stays_is_told_once_and_again_only_after_an_arm_would_have_closed() -> None:
    stand = Stand()
    await stand.looks(int(KNOWN_AGAIN_MS / 100) - 5)
    assert len(stand.told) == 1
    await stand.looks(60)
    assert len(stand.told) == 2
    assert stand.faces.questions <= 9  # of a hundred and fifty looks


async def test_a_stranger_is_asked_about_ever_less_often_and_the_next_guest_at_once() -> None:
    stand = Stand()
    stand.pool.identity = identified(0.2)
    await stand.looks(100)
    assert stand.told == []
    assert 3 <= stand.faces.questions <= 8
    stand.camera.stirred = False
    await stand.looks(1)
    stand.camera.stirred, stand.pool.identity = True, identified(0.9)
    await stand.looks(3)
    assert len(stand.told) == 1


async def test_a_scene_without_a_face_is_learned_as_empty() -> None:
    stand = Stand()
    stand.pool.identity = identified(0.9, faces=0)
    await stand.looks(20)
    assert (stand.camera.settled, stand.faces.questions, stand.told) == (1, 1, [])


async def test_a_second_face_never_admits() -> None:
    stand = Stand()
    stand.pool.identity = identified(0.9, faces=2)
    await stand.looks(20)
    assert stand.told == []


async def test_a_pool_that_is_away_is_asked_less_often_and_nobody_is_told() -> None:
    stand = Stand()
    stand.pool.away = True
    await stand.looks(50)
    assert stand.told == []
    assert stand.faces.questions <= 6


@pytest.mark.parametrize("what", ["code", "busy", "late"])
async def test_an_answer_that_comes_after_a_code_or_too_late_is_dropped(what: str) -> None:
    stand = Stand()
    stand.pool.hanging = asyncio.Event()
    await stand.looks(2)
    looking = asyncio.create_task(stand.looks(1))
    await stand.pool.reached.wait()
    if what == "code":
        assert stand.faces.heeds(Sighting("CODE", stand.clock.now(), stand.clock.now()))
    elif what == "busy":
        stand.free = False
    else:
        stand.clock.advance_ms(901)
    stand.pool.hanging.set()
    async with asyncio.timeout(WAIT_S):
        await looking
    assert stand.told == []


async def test_control_the_same_answer_in_time_is_told() -> None:
    stand = Stand()
    stand.pool.hanging = asyncio.Event()
    await stand.looks(2)
    looking = asyncio.create_task(stand.looks(1))
    await stand.pool.reached.wait()
    stand.pool.hanging.set()
    async with asyncio.timeout(WAIT_S):
        await looking
    assert len(stand.told) == 1


@pytest.mark.parametrize(("use", "heeded"), [("identify", False), ("verify", True)])
def test_what_cannot_be_read_may_be_the_face_itself(use: str, heeded: bool) -> None:
    stand = Stand(use=use)
    now = stand.clock.now()
    assert stand.faces.heeds(Sighting(None, now, now)) is heeded


# ---- pictures for staff


async def test_the_compared_frame_is_kept_for_staff_and_gone_when_they_decided() -> None:
    stand = Stand()
    stand.pool.compares = [OneToOne().decide(0.35)]
    stand.camera.shoot()
    await stand.faces.compare(ASKED)
    stand.camera.shoot()
    stand.faces.open_look(OpenLook(ASKED.scan_id, 20))
    assert stand.faces.picture(ASKED.scan_id) == b"frame 1"
    stand.faces.close_look(ASKED.scan_id)
    assert stand.faces.picture(ASKED.scan_id) is None


async def test_a_picture_goes_by_itself_and_with_the_lane() -> None:
    stand = Stand()
    stand.camera.shoot()
    await stand.faces.compare(ASKED)
    stand.faces.open_look(OpenLook(ASKED.scan_id, 0))
    gone = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, gone.set)
    await gone.wait()
    assert stand.faces.picture(ASKED.scan_id) is None
    stand.faces.open_look(OpenLook(ASKED.scan_id, 60))
    stand.faces.close()
    assert stand.faces.picture(ASKED.scan_id) is None


async def test_no_more_than_a_few_pictures_are_kept() -> None:
    stand = Stand()
    stand.camera.shoot()
    await stand.faces.compare(ASKED)
    for number in range(6):
        stand.faces.open_look(OpenLook(ScanId(f"scan_{number}"), 60))
    kept = [number for number in range(6) if stand.faces.picture(ScanId(f"scan_{number}")) is not None]
    assert kept == [2, 3, 4, 5]
    stand.faces.close()
