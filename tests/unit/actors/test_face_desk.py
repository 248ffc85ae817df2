"""Reading faces of real photographs by real models: what is measured, what a frame counts as, and a line that is full."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from actors.face_desk import KEPT_MS, LINE, FaceDesk, SeenFrame, seen_together
from actors.work_thread import WorkThread
from benchmarks.face_photographs import photographs as fetch_photographs
from ml_models.face_embedder import cosine, packed, unpacked
from ml_models.face_reader import FaceReader
from ml_models.pictures import Picture, open_picture, scaled
from resort.clock import ManualClock
from resort.errors import Busy, Invalid
from tests.unit.actors.face_world import face_of

T = TypeVar("T")


@pytest.fixture(scope="module")
def photographs() -> dict[str, Picture]:
    """The eight photographs by name."""
    return fetch_photographs()


@pytest.fixture(scope="module")
def reader() -> FaceReader:
    """With everything."""
    return FaceReader(liveness=True)


def jpeg(picture: Picture) -> bytes:
    """As a camera sends it."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=90)
    return content.getvalue()


class CountingThread(WorkThread):
    """Counts what it is given, and can be held up."""

    def __init__(self) -> None:
        super().__init__("face reading")
        self.pieces = 0
        self.free = asyncio.Event()
        self.free.set()

    async def within(self, work: Callable[[], T]) -> T:
        """Held up."""
        self.pieces += 1
        await self.free.wait()
        return await super().within(work)


@pytest_asyncio.fixture
async def thread() -> AsyncIterator[CountingThread]:
    """Closed at the end."""
    made = CountingThread()
    yield made
    await made.close()


@pytest.fixture
def clock() -> ManualClock:
    """Moves when told to."""
    return ManualClock(datetime(2026, 12, 5, tzinfo=UTC))


@pytest.fixture
def desk(reader: FaceReader, thread: CountingThread, clock: ManualClock) -> FaceDesk:
    """With nothing read yet."""
    return FaceDesk(reader, thread, clock)


async def test_a_good_photograph_gives_all_that_is_stored(desk: FaceDesk, photographs: dict[str, Picture]) -> None:
    measured = await desk.photograph(jpeg(photographs["one_1"]))
    assert measured.faults == ()
    assert measured.model_id == desk.model_id
    assert measured.liveness is not None
    assert measured.vector is not None
    again = await desk.photograph(jpeg(photographs["one_2"]))
    other = await desk.photograph(jpeg(photographs["two"]))
    assert again.vector is not None
    assert other.vector is not None
    assert cosine(unpacked(measured.vector), unpacked(again.vector)) > 0.6
    assert cosine(unpacked(measured.vector), unpacked(other.vector)) < 0.35


async def test_the_picture_for_staff_is_small_and_of_that_face(desk: FaceDesk, photographs: dict[str, Picture]) -> None:
    measured = await desk.photograph(jpeg(photographs["one_1"]))
    assert measured.picture is not None
    shown = open_picture(measured.picture)
    assert max(shown.shape) <= 240
    assert len(measured.picture) < 40_000
    of_it = await desk.photograph(jpeg(scaled(shown, shown.shape[1] * 2, shown.shape[0] * 2)))
    assert of_it.vector is not None
    assert measured.vector is not None
    assert cosine(unpacked(of_it.vector), unpacked(measured.vector)) > 0.8


async def test_one_face_is_cut_out_of_a_frame_and_several_or_none_are_not(
    desk: FaceDesk, photographs: dict[str, Picture]
) -> None:
    frame = np.full((720, 1280, 3), 90, np.uint8)
    person = scaled(photographs["two"], 320, 400)
    frame[160:560, 100:420] = person
    face = await desk.cut_out(jpeg(frame))
    assert face is not None
    assert max(open_picture(face).shape) <= 240
    of_it, whole = await desk.photograph(face), await desk.photograph(jpeg(frame))
    assert of_it.vector is not None
    assert whole.vector is not None
    assert cosine(unpacked(of_it.vector), unpacked(whole.vector)) > 0.8
    frame[160:560, 800:1120] = person
    assert await desk.cut_out(jpeg(frame)) is None
    assert await desk.cut_out(jpeg(np.full((720, 1280, 3), 90, np.uint8))) is None
    with pytest.raises(Invalid):
        await desk.cut_out(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda pictures: pictures["six"], "several_faces"),
        (lambda pictures: np.full((400, 400, 3), 128, np.uint8), "no_face"),
        (lambda pictures: (pictures["one_1"] // 6).astype(np.uint8), "too_dark"),
    ],
)
async def test_a_bad_photograph_gives_nothing_but_its_faults(
    desk: FaceDesk, photographs: dict[str, Picture], spoil: Callable[[dict[str, Picture]], Picture], fault: str
) -> None:
    measured = await desk.photograph(jpeg(spoil(photographs)))
    assert fault in measured.faults
    assert measured.vector is None
    assert measured.picture is None


async def test_frames_count_their_faces(desk: FaceDesk, photographs: dict[str, Picture]) -> None:
    """A face that cannot be compared is nobody, but a second face is always one."""
    dark = (photographs["one_1"] // 12).astype(np.uint8)
    empty = np.full((480, 640, 3), 90, np.uint8)
    frames = await desk.frames([jpeg(photographs["one_1"]), jpeg(dark), jpeg(empty)])
    assert [frame.faces for frame in frames] == [1, 0, 0]
    assert [frame.vector is None for frame in frames] == [False, True, True]
    group = (await desk.frames([jpeg(photographs["six"])]))[0]
    assert group.faces == 6


async def test_a_frame_is_read_once(
    desk: FaceDesk, thread: CountingThread, clock: ManualClock, photographs: dict[str, Picture]
) -> None:
    """Sent with the next question, it is known; not after seconds."""
    first, second, third = (jpeg(photographs[f"one_{number}"]) for number in (1, 2, 3))
    once = await desk.frames([first, second])
    assert thread.pieces == 2
    twice = await desk.frames([second, third, third])
    assert thread.pieces == 3
    assert twice[0] is once[1]
    clock.advance_ms(KEPT_MS + 1)
    await desk.frames([third])
    assert thread.pieces == 4


async def test_a_frame_that_is_being_read_is_waited_for(
    desk: FaceDesk, thread: CountingThread, photographs: dict[str, Picture]
) -> None:
    content = jpeg(photographs["one_1"])
    thread.free.clear()
    ahead, question = (asyncio.create_task(desk.frames([content])) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    thread.free.set()
    assert (await question)[0] is (await ahead)[0]
    assert thread.pieces == 1


async def test_what_somebody_waits_for_is_read_before_what_nobody_asked_about_yet(
    desk: FaceDesk, thread: CountingThread, photographs: dict[str, Picture]
) -> None:
    first, early, asked = (jpeg(photographs[f"one_{number}"]) for number in (1, 2, 3))
    order: list[str] = []

    async def read(name: str, content: bytes, *, ahead: bool) -> None:
        await desk.frames([content], ahead=ahead)
        order.append(name)

    thread.free.clear()
    reading = [asyncio.create_task(read("first", first, ahead=True))]
    await asyncio.sleep(0)
    reading += [asyncio.create_task(read(name, content, ahead=name != "asked"))
                for name, content in (("early", early), ("asked", asked), ("asked early", asked))]  # fmt: skip
    await asyncio.sleep(0)
    thread.free.set()
    await asyncio.gather(*reading)
    assert order == ["first", "asked", "early", "asked early"]
    assert thread.pieces == 3


async def test_who_waits_for_a_reading_that_was_given_up_reads_himself(
    desk: FaceDesk, thread: CountingThread, photographs: dict[str, Picture]
) -> None:
    content = jpeg(photographs["one_1"])
    thread.free.clear()
    ahead, question = (asyncio.create_task(desk.frames([content])) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ahead.cancel()
    await asyncio.wait([ahead])
    thread.free.set()
    assert (await question)[0].faces == 1
    assert thread.pieces == 2


async def test_who_gives_up_waiting_ends_nobody_elses_reading(
    desk: FaceDesk, thread: CountingThread, photographs: dict[str, Picture]
) -> None:
    content = jpeg(photographs["one_1"])
    thread.free.clear()
    ahead, question, other = (asyncio.create_task(desk.frames([content])) for _ in range(3))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    question.cancel()
    await asyncio.wait([question])
    thread.free.set()
    assert (await ahead)[0] is (await other)[0]
    assert thread.pieces == 1


async def test_a_frame_that_is_no_picture_is_so_for_all_who_wait(desk: FaceDesk, thread: CountingThread) -> None:
    thread.free.clear()
    asked = [asyncio.create_task(desk.frames([b"no picture"])) for _ in range(3)]
    await asyncio.sleep(0)
    thread.free.set()
    assert [type(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)] == [Invalid] * 3


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0 half a picture"])
async def test_what_is_no_picture_is_invalid(desk: FaceDesk, content: bytes) -> None:
    with pytest.raises(Invalid):
        await desk.photograph(content)
    with pytest.raises(Invalid):
        await desk.frames([content])
    with pytest.raises(Invalid, match="there must be 1 to"):
        await desk.frames([])
    with pytest.raises(Invalid, match="there must be 1 to"):
        await desk.frames([content] * 6)


async def test_the_line_is_short(desk: FaceDesk, thread: CountingThread, photographs: dict[str, Picture]) -> None:
    """Who comes when it is full is sent away at once, and may come again when it is not."""
    content = jpeg(photographs["one_1"])
    thread.free.clear()
    waiting = [asyncio.create_task(desk.photograph(content)) for _ in range(LINE)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await desk.photograph(content)
    with pytest.raises(Busy):
        await desk.frames([content])
    assert desk.refused == 2
    for task in waiting[1:]:
        task.cancel()
    thread.free.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[0].result().faults == ()
    assert (await desk.frames([content]))[0].faces == 1


def test_frames_together() -> None:
    """The most faces, the least liveness, and only vectors that there are."""
    frames = [SeenFrame(1, face_of(1), 0.9), SeenFrame(0, None, None), SeenFrame(2, face_of(2), 0.4)]
    seen = seen_together("made-up", frames)
    assert (seen.faces, seen.liveness, seen.vectors) == (2, 0.4, (packed(face_of(1)), packed(face_of(2))))
    assert seen_together("made-up", [SeenFrame(0)]).liveness is None
    assert "vector" not in repr(frames[0])
