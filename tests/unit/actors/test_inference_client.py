"""Who is asked what: shards that are away, twins across shards, readers that are busy. Galleries are real, pictures are not."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from actors.face_galleries import FaceGalleries
from actors.face_messages import SeenFrames, ShardRanking, face_shard
from actors.inference_client import FacesClient
from ml_models.face_embedder import fused, packed, unpacked
from resort.errors import FacesUnavailable, Invalid
from resort.face_rules import NOBODY, FaceDecision, FaceReason, FaceVerdict
from resort.faces import FaceChange, FaceMeasured, StoredFace
from resort.figures import FaceFigures
from resort.ids import GateId, TicketId
from resort.site import FacesSite, Site
from tests.unit.actors.face_world import MODEL, TODAY, face_of, like, stored, ticket_of

VILLAGE = GateId("village")
SECOND_FACE = b"two"
NOBODY_THERE = b"none"


class PlayedLink:
    """An inference actor in this process: a frame is a packed vector, which it "reads"."""

    def __init__(self, galleries: FaceGalleries, rules: FacesSite) -> None:
        self.galleries = galleries
        self.away = False
        self.asked: list[str] = []
        self.saw: list[int] = []  # frames of each call of `see`
        self.reading: asyncio.Event | None = None  # it reads until this is set
        self._rules = rules

    async def measure(self, picture: bytes) -> FaceMeasured:
        """See the port."""
        self._ask("measure")
        return FaceMeasured(model_id=MODEL, vector=picture)

    async def cut_out(self, frame: bytes) -> bytes | None:
        """See the port."""
        self._ask("cut_out")
        return frame[:1]

    async def see(self, frames: Sequence[bytes]) -> SeenFrames:
        """See the port."""
        self._ask("see")
        self.saw.append(len(frames))
        if self.reading is not None:
            await self.reading.wait()
        vectors = tuple(frame for frame in frames if frame not in (SECOND_FACE, NOBODY_THERE))
        faces = 2 if SECOND_FACE in frames else min(1, len(vectors))
        return SeenFrames(MODEL, vectors, faces, 0.5)

    async def see_ahead(self, frames: Sequence[bytes]) -> None:
        """See the port."""
        await self.see(frames)

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        """See the port."""
        self._ask("compare")
        score = self.galleries.likeness(ticket_id, fused([unpacked(frame) for frame in frames]))
        return None if score is None else self._rules.one_to_one.decide(score)

    async def rank(self, gate_id: GateId, seen: SeenFrames) -> ShardRanking:
        """See the port."""
        self._ask("rank")
        return self.galleries.rank(gate_id, [unpacked(vector) for vector in seen.vectors])

    async def look(self) -> None:
        """See the port."""
        self._ask("look")

    async def figures(self) -> FaceFigures:
        """See the port."""
        self._ask("figures")
        return FaceFigures(holders=self.galleries.holders)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise FacesUnavailable("The inference actor", "it is away or being restarted")


class Pool:
    """Two shards and their client; the first actor reads."""

    def __init__(self, site: Site, shards: int = 2) -> None:
        faces = FacesSite(inference_actors=shards)
        self.links = [PlayedLink(FaceGalleries(site, shard, shards, MODEL, TODAY), faces) for shard in range(shards)]
        self.client = FacesClient(faces, self.links)

    def enrol(self, *faces: StoredFace) -> None:
        """Into whichever shard it belongs to."""
        for link in self.links:
            version = link.galleries.version
            link.galleries.take([FaceChange(version + 1, face.ticket_id, face) for face in faces])


@pytest.fixture
def pool(demo_site: Site) -> Pool:
    """With one holder in each shard."""
    made = Pool(demo_site)
    made.enrol(stored(IN_FIRST, face_of(1)), stored(IN_SECOND, face_of(2)))
    return made


IN_FIRST, IN_SECOND = ticket_of(0, 2), ticket_of(1, 2)


def frames_of(number: int, count: int = 3, likeness: float = 0.8) -> list[bytes]:
    """Frames of the person of that number."""
    return [packed(like(face_of(number), likeness, frame)) for frame in range(count)]


async def test_a_holder_of_either_shard_is_identified(pool: Pool) -> None:
    for number, ticket_id in ((1, IN_FIRST), (2, IN_SECOND)):
        decision = await pool.client.identify(VILLAGE, frames_of(number))
        assert (decision.verdict, decision.holder) == (FaceVerdict.PASS, ticket_id)
        assert (decision.holders, decision.frames, decision.model_id, decision.liveness) == (2, 3, MODEL, 0.5)


async def test_a_stranger_is_nobody(pool: Pool) -> None:
    decision = await pool.client.identify(VILLAGE, frames_of(3))
    assert (decision.reason, decision.holder) == (FaceReason.UNKNOWN, None)


async def test_a_twin_in_the_other_shard_is_a_twin(pool: Pool) -> None:
    """The margin is over the runner-up of the whole gallery, whatever shard it is in."""
    twin = ticket_of(1, 2, start=100)
    pool.enrol(stored(twin, like(face_of(1), 0.98)))
    assert face_shard(twin, 2) != face_shard(IN_FIRST, 2)
    decision = await pool.client.identify(VILLAGE, frames_of(1))
    assert (decision.verdict, decision.reason) == (FaceVerdict.REFUSE, FaceReason.LOOKALIKE)


async def test_nobody_is_decided_on_by_half_of_a_gallery(pool: Pool) -> None:
    """Neither named nor called a stranger, whichever shard is away; 1:1 needs its own shard only."""
    pool.links[1].away = True
    for number in (1, 2, 3):
        with pytest.raises(FacesUnavailable):
            await pool.client.identify(VILLAGE, frames_of(number))
    assert (decision := await pool.client.compare(IN_FIRST, frames_of(1))) is not None
    assert decision.verdict is FaceVerdict.PASS
    with pytest.raises(FacesUnavailable):
        await pool.client.compare(IN_SECOND, frames_of(2))
    pool.links[1].away = False
    assert (await pool.client.identify(VILLAGE, frames_of(2))).holder == IN_SECOND, "a control: back again"


async def test_the_ticket_of_somebody_else_is_refused(pool: Pool) -> None:
    decision = await pool.client.compare(IN_FIRST, frames_of(2))
    assert decision is not None
    assert decision.verdict is FaceVerdict.REFUSE
    assert pool.links[0].asked == ["compare"]
    assert pool.links[1].asked == []


async def test_a_ticket_without_a_face_is_no_refusal(pool: Pool) -> None:
    assert await pool.client.compare(ticket_of(0, 2, start=500), frames_of(1)) is None


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (frames_of(1, 2), FaceReason.TOO_FEW_FRAMES),
        ([*frames_of(1, 2), NOBODY_THERE], FaceReason.TOO_FEW_FRAMES),
        ([NOBODY_THERE], FaceReason.NO_FACE),
        ([*frames_of(1), SECOND_FACE], FaceReason.SECOND_FACE),
    ],
)
async def test_what_can_be_said_without_a_gallery_needs_none(pool: Pool, frames: list[bytes], reason: FaceReason) -> None:
    pool.links[1].away = True
    decision = await pool.client.identify(VILLAGE, frames)
    assert (decision.verdict, decision.reason, decision.holder) == (FaceVerdict.REFUSE, reason, None)
    assert decision.score == NOBODY
    assert "rank" not in pool.links[0].asked


async def test_another_actor_reads_when_one_cannot_and_goes_on_to(pool: Pool) -> None:
    pool.links[0].away = True
    for _ in range(2):
        with pytest.raises(FacesUnavailable):
            await pool.client.identify(VILLAGE, frames_of(2))
    assert pool.links[0].asked == ["see", "rank", "rank"]
    assert (await pool.client.measure(b"picture")).vector == b"picture"
    pool.links[1].away = True
    with pytest.raises(FacesUnavailable):
        await pool.client.measure(b"picture")


async def test_frames_are_read_ahead_by_all_in_turn_and_asked_about_where_they_were_read(pool: Pool) -> None:
    frames = frames_of(1)
    for frame in frames:
        await pool.client.read_ahead(frame)
    assert [link.asked for link in pool.links] == [["see"] * 2, ["see"]]
    assert (await pool.client.identify(VILLAGE, frames)).holder == IN_FIRST
    assert [link.saw for link in pool.links] == [[1, 1, 2], [1, 1]]
    pool.links[0].away = pool.links[1].away = True
    await pool.client.read_ahead(NOBODY_THERE)  # raises nothing


async def test_a_frame_whose_reader_went_away_is_read_by_another(pool: Pool) -> None:
    frames = frames_of(2)
    await pool.client.read_ahead(frames[0])
    pool.links[0].away = True
    with pytest.raises(FacesUnavailable):
        await pool.client.identify(VILLAGE, frames)  # by rank only: both shards are needed for that
    assert pool.links[1].asked.count("rank") == 1


async def test_whoever_reads_for_this_caller_gets_no_second_frame_while_another_reads_nothing(pool: Pool) -> None:
    pool.links[0].reading = asyncio.Event()
    frames = frames_of(1, 4)
    reading = [asyncio.create_task(pool.client.read_ahead(frame)) for frame in frames[:1]]
    await asyncio.sleep(0)
    for frame in frames[1:]:
        await pool.client.read_ahead(frame)
    assert [link.saw for link in pool.links] == [[1], [1, 1, 1]]
    pool.links[0].reading.set()
    await asyncio.gather(*reading)


async def test_lanes_start_at_different_actors(pool: Pool) -> None:
    other = FacesClient(FacesSite(inference_actors=2), pool.links, first=3)
    await other.measure(b"picture")
    assert [link.asked for link in pool.links] == [[], ["measure"]]


async def test_news_reach_whom_they_can(pool: Pool) -> None:
    pool.links[0].away = True
    await pool.client.tell()
    assert [link.asked for link in pool.links] == [["look"], ["look"]]


async def test_figures_say_who_does_not_answer(pool: Pool) -> None:
    pool.links[0].away = True
    first, second = await pool.client.figures()
    assert first is None
    assert second is not None
    assert second.holders == 1


async def test_a_call_that_means_nothing_is_invalid(pool: Pool) -> None:
    with pytest.raises(Invalid):
        await pool.client.identify(GateId("nowhere"), frames_of(1))


def test_frames_as_they_cross_processes_show_nothing() -> None:
    seen = SeenFrames(MODEL, (packed(face_of(1)),), 1)
    assert repr(seen) == str(seen) == "SeenFrames(made-up, 1 frames, 1 faces)"
    assert msgspec.structs.replace(seen, faces=2) != seen
