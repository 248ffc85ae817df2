"""The whole way of a face: photograph before a camera, MJPEG, lane, inference actor, grant, arm. Real models, no Ray."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio
from PIL import Image

from actors.face_messages import SeenFrames, ShardRanking
from actors.inference import InferenceActor, InferenceHosting
from actors.inference_client import FacesClient
from actors.lane_faces import FaceLimits, LaneFaces
from actors.lane_runtime import LaneRuntime
from actors.picture_pieces import cut
from benchmarks.face_photographs import photographs
from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from resort.access.codes import issue_code
from resort.access.entitlement import Entitlement
from resort.access.lane_messages import ConfirmFace
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.clock import SystemClock
from resort.face_rules import FaceDecision, FaceVerdict, OneToOne
from resort.faces import FaceMeasured, StoredFace
from resort.figures import FaceFigures
from resort.ids import GateId, LaneId, RandomIds, TicketId
from resort.messages import GrantIssued, LaneChanged, PassageConfirmed, ScanRefused
from resort.site import FacesSite, FaceUse, LaneLimits, Site
from sim.camera_server import CameraServer
from sim.face_scene import FaceScene
from sim.memory_faces import MemoryFaces
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile
from tests.unit.actors.test_lane_runtime import KEYS, WatchedLedger, has

WAIT_S = 60
GATE, LANE = GateId("village"), LaneId("village-1")
ONE, TWO = TicketId("00000000000000a1"), TicketId("00000000000000a2")
MEDIA: tuple[Literal["printed"], Literal["face"]] = ("printed", "face")


def photographs_as_png() -> dict[str, bytes]:
    """The test photographs by name."""
    found = {}
    for name, picture in photographs().items():
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "PNG")
        found[name] = content.getvalue()
    return found


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return photographs_as_png()


class NearLink:
    """The port `InferenceLink` straight on an actor of this process."""

    def __init__(self, actor: InferenceActor) -> None:
        self._actor = actor

    async def measure(self, picture: bytes) -> FaceMeasured:
        return await self._actor.measure(*cut([picture])[1])

    async def see(self, frames: Sequence[bytes]) -> SeenFrames:
        sizes, pieces = cut(frames)
        return await self._actor.see(sizes, *pieces)

    async def see_ahead(self, frames: Sequence[bytes]) -> None:
        """See the port."""
        sizes, pieces = cut(frames)
        await self._actor.see_ahead(sizes, *pieces)

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        sizes, pieces = cut(frames)
        return await self._actor.compare(ticket_id, sizes, *pieces)

    async def rank(self, gate_id: GateId, seen: SeenFrames) -> ShardRanking:
        return await self._actor.rank(gate_id, seen)

    async def look(self) -> None:
        await self._actor.look()

    async def figures(self) -> FaceFigures:
        return await self._actor.figures()


class Pool:
    """One inference actor with the faces of two tickets."""

    def __init__(self, site: Site, rule: OneToOne) -> None:
        faces = FacesSite(one_to_one=rule)
        self.store = MemoryFaces()
        hosting = InferenceHosting(msgspec.structs.replace(site, faces=faces), 0, "", "")
        self.actor = InferenceActor(hosting, SystemClock(), self.store)
        self.client = FacesClient(faces, [NearLink(self.actor)])

    async def enrol(self, ticket_id: TicketId, picture: bytes) -> None:
        today = datetime.now(UTC).date()  # noqa: TID251 - the actor reads the real clock
        measured = await self.client.measure(picture)
        assert measured.vector is not None, measured.faults
        self.store.enrol(
            StoredFace(
                ticket_id=ticket_id,
                model_id=measured.model_id,
                vector=measured.vector,
                valid_on=today.replace(year=today.year - 1, day=1),
                valid_until=today.replace(year=today.year + 1, day=1),
            )
        )
        await self.client.tell()


class Stand:
    """A lane whose camera shows whatever a guest holds before it; guests push as soon as the arm lets them."""

    def __init__(self, pool: Pool, camera: CameraServer, use: FaceUse) -> None:
        clock = SystemClock()
        self.camera = camera
        self.ledger = WatchedLedger()
        today = datetime.now(UTC).date()  # noqa: TID251 - the lane reads the real clock
        for ticket_id in (ONE, TWO):
            self.ledger.sell(ticket_id, Entitlement("single", "adult", today, 1, ("standard",), media=MEDIA))
        self.steel = SimTurnstile(20_000.0, clock)
        source = CameraCodeSource(MjpegCamera(camera.url(LANE), clock), CodeReader(), clock, 1_800, 2_500)
        limits = FaceLimits(use, GATE, compare_ms=20_000)
        settings = LaneSettings(GATE, LANE, "standard", LaneLimits(), ZoneInfo("UTC"), faces=use)
        self.fatal: list[BaseException] = []
        self.faces = None if use == "off" else LaneFaces(limits, source, pool.client, clock)
        self.lane = LaneRuntime(
            settings,
            "open",
            KEYS,
            self.ledger,
            MemoryTurnstile(self.steel),
            source,
            clock,
            RandomIds(),
            self.fatal.append,
            faces=self.faces,
        )
        self._signals = self.steel.subscribe()

    async def show(self, photograph: bytes, ticket_id: TicketId | None) -> None:
        """A guest stands there, with a ticket in his hand or without."""
        text = None if ticket_id is None else issue_code(ticket_id, KEYS)
        self.camera.show(LANE, FaceScene(photograph, text))

    async def until(self, kind: type) -> None:
        async with asyncio.timeout(WAIT_S):
            while not has(kind)(self.ledger.journal):
                self.ledger._appended.clear()
                await self.ledger._appended.wait()

    async def goes_through(self) -> PassageConfirmed:
        async with asyncio.timeout(WAIT_S):
            while await self._signals.get() != "unlocked":
                pass
        assert self.steel.push_in()
        await self.until(PassageConfirmed)
        return self.first(PassageConfirmed)

    def first(self, kind):  # type: ignore[no-untyped-def]
        return next(event for event in self.ledger.journal if isinstance(event, kind))


@pytest_asyncio.fixture
async def stand(request: pytest.FixtureRequest, demo_site: Site, pictures: dict[str, bytes]) -> AsyncIterator[Stand]:
    """`request.param`: what the lane does with faces, and optionally the rates of 1:1."""
    use, rule = request.param
    pool = Pool(demo_site, rule)
    await pool.actor.start()
    await pool.enrol(ONE, pictures["one_1"])
    await pool.enrol(TWO, pictures["two"])
    camera = CameraServer([LANE])
    await camera.start()
    made = Stand(pool, camera, use)
    await made.lane.start()
    await made.until(LaneChanged)
    yield made
    await made.lane.stop(0.2)
    await camera.stop()
    await pool.actor.close()
    assert made.fatal == []


USUAL = OneToOne()
OFF, VERIFY, IDENTIFY = ("off", USUAL), ("verify", USUAL), ("identify", USUAL)
STRICT = ("verify", OneToOne(pass_rate=1e-30, look_rate=1e-2))  # at such a rate nobody passes by himself


@pytest.mark.parametrize("stand", [IDENTIFY], indirect=True)
async def test_a_face_alone_opens_the_arm_for_its_ticket(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.show(pictures["one_2"], None)
    passed = await stand.goes_through()
    grant = stand.first(GrantIssued)
    assert (passed.ticket_id, grant.ticket_id, grant.medium) == (ONE, ONE, "face")
    assert grant.face is not None
    assert (grant.face.verdict, grant.face.frames, grant.face.holders) == (FaceVerdict.PASS, 3, 2)
    assert grant.face.score > grant.face.threshold
    assert stand.steel.pulses == 1


@pytest.mark.parametrize("stand", [VERIFY], indirect=True)
async def test_the_holder_with_his_ticket_goes_through(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.show(pictures["one_3"], ONE)
    assert (await stand.goes_through()).ticket_id == ONE
    grant = stand.first(GrantIssued)
    assert (grant.medium, grant.face_away) == ("printed", False)
    assert grant.face is not None
    assert grant.face.model_id.startswith("sface")


@pytest.mark.parametrize("stand", [VERIFY], indirect=True)
async def test_somebody_with_anothers_ticket_is_refused(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.show(pictures["one_2"], TWO)
    await stand.until(ScanRefused)
    refused = stand.first(ScanRefused)
    assert (refused.reason, refused.ticket_id) == (Reason.FACE_OF_ANOTHER, TWO)
    assert refused.face is not None
    assert refused.face.verdict is FaceVerdict.REFUSE
    assert stand.steel.pulses == 0


@pytest.mark.parametrize("stand", [OFF], indirect=True)
async def test_control_with_faces_off_the_same_ticket_is_admitted(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.show(pictures["one_2"], TWO)
    assert (await stand.goes_through()).ticket_id == TWO
    assert stand.first(GrantIssued).face is None


@pytest.mark.parametrize("stand", [STRICT], indirect=True)
async def test_an_unsure_face_waits_for_staff_who_see_it_and_let_it_in(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.show(pictures["one_3"], ONE)
    await stand.until(ScanRefused)
    refused = stand.first(ScanRefused)
    assert refused.reason is Reason.FACE_UNSURE
    assert stand.faces is not None
    async with asyncio.timeout(WAIT_S):
        outcome = await stand.lane.order(ConfirmFace("look-1", "anna", refused.scan_id))
    assert outcome.outcome == "ok"
    picture = stand.faces.picture(refused.scan_id)
    assert picture is not None
    assert Image.open(io.BytesIO(picture)).size == (640, 480)
    assert (await stand.goes_through()).ticket_id == ONE
    assert stand.first(GrantIssued).face_by == "anna"
