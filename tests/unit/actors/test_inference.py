"""An inference actor in this process, with real models and photographs: what it answers, and when it says nothing."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import msgspec
import pytest
import pytest_asyncio
from PIL import Image

from actors.face_messages import SeenFrames
from actors.inference import InferenceActor, InferenceHosting
from actors.picture_pieces import cut
from benchmarks.face_photographs import photographs as fetch_photographs
from ml_models.face_embedder import packed
from ml_models.pictures import Picture
from resort.clock import ManualClock
from resort.errors import DatabaseUnavailable, FacesUnavailable, Invalid
from resort.face_rules import FaceReason, FaceVerdict, OneToOne
from resort.faces import FaceChange, FaceMeasured, StoredFace
from resort.ids import GateId, TicketId
from resort.site import FacesSite, Site
from sim.memory_faces import MemoryFaces
from tests.unit.actors.face_world import TODAY, face_of, ticket

VILLAGE = GateId("village")
NOON = datetime(2026, 12, 5, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """The photographs as a camera sends them."""

    def jpeg(picture: Picture) -> bytes:
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "JPEG", quality=90)
        return content.getvalue()

    return {name: jpeg(picture) for name, picture in fetch_photographs().items()}


class HeldFaces(MemoryFaces):
    """Answers nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.may.set()

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """See the port."""
        await self.may.wait()
        return await super().after(version, limit)


@pytest.fixture
def store() -> HeldFaces:
    """Where faces are stored."""
    return HeldFaces()


@pytest_asyncio.fixture
async def actor(demo_site: Site, store: HeldFaces) -> AsyncIterator[InferenceActor]:
    """The only shard, started."""
    made = InferenceActor(hosting(demo_site), ManualClock(NOON), store)
    await made.start()
    yield made
    await made.close()


def hosting(site: Site, rule: OneToOne = OneToOne()) -> InferenceHosting:  # noqa: B008 - frozen
    """One shard of one."""
    return InferenceHosting(msgspec.structs.replace(site, faces=FacesSite(one_to_one=rule)), 0, "", "")


async def enrolled(actor: InferenceActor, store: MemoryFaces, ticket_id: TicketId, picture: bytes) -> FaceMeasured:
    """The holder of that picture, known to the actor."""
    measured = await actor.measure(*cut([picture])[1])
    assert measured.vector is not None
    store.enrol(
        StoredFace(ticket_id=ticket_id, model_id=measured.model_id, vector=measured.vector, valid_on=TODAY, valid_until=TODAY)
    )
    await actor.look()
    return measured


async def seen(actor: InferenceActor, *frames: bytes) -> SeenFrames:
    """Frames read."""
    sizes, pieces = cut(frames)
    return await actor.see(sizes, *pieces)


async def test_the_holder_passes_and_somebody_else_does_not(
    actor: InferenceActor, store: HeldFaces, pictures: dict[str, bytes]
) -> None:
    await enrolled(actor, store, ticket(1), pictures["one_1"])
    sizes, pieces = cut([pictures["one_2"], pictures["one_3"]])
    decision = await actor.compare(ticket(1), sizes, *pieces)
    assert decision is not None
    assert (decision.verdict, decision.reason, decision.frames) == (FaceVerdict.PASS, FaceReason.MATCH, 2)
    assert decision.model_id.startswith("sface")
    assert decision.liveness is not None
    sizes, pieces = cut([pictures["two"]])
    decision = await actor.compare(ticket(1), sizes, *pieces)
    assert decision is not None
    assert decision.verdict is not FaceVerdict.PASS
    sizes, pieces = cut([pictures["six"]])
    decision = await actor.compare(ticket(1), sizes, *pieces)
    assert decision is not None
    assert (decision.verdict, decision.reason) == (FaceVerdict.LOOK, FaceReason.SECOND_FACE)


async def test_nothing_is_read_for_a_ticket_without_a_face(actor: InferenceActor, store: HeldFaces) -> None:
    await actor.look()
    assert await actor.compare(ticket(1), [1], b"this is no picture") is None
    store.enrol(
        StoredFace(ticket_id=ticket(1), model_id="another", vector=packed(face_of(1)), valid_on=TODAY, valid_until=TODAY)
    )
    await actor.look()
    assert await actor.compare(ticket(1), [1], b"this is no picture") is None, "of a model that cannot be compared"


async def test_the_site_sets_the_rates(demo_site: Site, store: HeldFaces, pictures: dict[str, bytes]) -> None:
    """At one in 10^24 nobody passes by himself."""
    actor = InferenceActor(hosting(demo_site, OneToOne(pass_rate=1e-24, look_rate=1e-3)), ManualClock(NOON), store)
    await actor.start()
    await enrolled(actor, store, ticket(1), pictures["one_1"])
    sizes, pieces = cut([pictures["one_2"]])
    decision = await actor.compare(ticket(1), sizes, *pieces)
    await actor.close()
    assert decision is not None
    assert (decision.verdict, decision.reason) == (FaceVerdict.LOOK, FaceReason.UNSURE)


async def test_the_gallery_is_ranked_at_once_and_forgotten_at_once(
    actor: InferenceActor, store: HeldFaces, pictures: dict[str, bytes]
) -> None:
    await enrolled(actor, store, ticket(1), pictures["one_1"])
    frames = await seen(actor, pictures["one_2"], pictures["one_3"], pictures["one_4"])
    ranking = await actor.rank(VILLAGE, frames)
    assert (ranking.holders, ranking.whole.holder, len(ranking.frames)) == (1, ticket(1), 3)
    store.forget(ticket(1))
    await actor.look()
    ranking = await actor.rank(VILLAGE, frames)
    assert (ranking.holders, ranking.whole.holder) == (0, None)
    figures = await actor.figures()
    assert figures.holders == 0
    assert {call: sum(histogram.counts) for call, histogram in figures.calls.items()} == {"measure": 1, "see": 1, "rank": 2}


async def test_after_a_restart_it_reads_before_it_ranks(demo_site: Site, store: HeldFaces, pictures: dict[str, bytes]) -> None:
    """Measuring goes on meanwhile; nobody is called a stranger by a gallery that is not there yet."""
    store.may.clear()
    actor = InferenceActor(hosting(demo_site), ManualClock(NOON), store)
    await actor.start()
    frames = await seen(actor, pictures["one_2"])
    assert frames.faces == 1
    with pytest.raises(FacesUnavailable):
        await actor.rank(VILLAGE, frames)
    with pytest.raises(FacesUnavailable):
        await actor.compare(ticket(1), [1], pictures["one_1"])
    assert (await actor.figures()).holders is None
    store.may.set()
    await actor.look()
    assert (await actor.rank(VILLAGE, frames)).holders == 0
    await actor.close()


async def test_a_store_that_is_away_is_told_to_who_brings_news(actor: InferenceActor, store: HeldFaces) -> None:
    store.away = True
    with pytest.raises(DatabaseUnavailable):
        await actor.look()
    assert await actor.ping() > 0


async def test_frames_of_another_model_are_not_ranked(actor: InferenceActor, pictures: dict[str, bytes]) -> None:
    await actor.look()
    frames = await seen(actor, pictures["one_1"])
    with pytest.raises(FacesUnavailable, match="and the frames of another"):
        await actor.rank(VILLAGE, SeenFrames("another", (packed(face_of(1)),), 1))
    with pytest.raises(Invalid, match="there is no gate"):
        await actor.rank(GateId("nowhere"), frames)
