"""Faces at a lane while the ledger is lost: the gates decide among themselves, and a face is compared as ever.

Valkey, SQL, spools, camera, models and inference actor are the real ones; there is no Ray.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from actors.lane_faces import FaceLimits, LaneFaces
from actors.lane_runtime import LaneRuntime
from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from resort.access.codes import issue_code
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.lane_messages import ConfirmFace
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.clock import SystemClock
from resort.face_rules import FaceVerdict, OneToOne
from resort.ids import LaneId, RandomIds, TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    ScanRefused,
    TicketExited,
)
from resort.ports import AdmissionLedger, Conflict, LaneMemory
from resort.site import FaceUse, LaneLimits, Site
from resort.site import OfflineSite as OfflinePolicy
from sim.camera_server import CameraServer
from sim.face_scene import FaceScene
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile
from storage.database import Database
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys
from storage.valkey_server import ValkeyServer
from tests.integration.offline_site import GATES, SITE, OfflineSite, opened
from tests.integration.test_face_lane import Pool, photographs_as_png
from tests.unit.actors.test_lane_runtime import KEYS

WAIT_S = 60
USUAL = OneToOne()
STRICT = OneToOne(pass_rate=1e-30, look_rate=1e-2)  # at such a rate nobody passes by himself


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return photographs_as_png()


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long over a face: how old it may be is tested elsewhere."""
    for name in ("actors.lane_faces.IDENTIFY_AGE_MS", "actors.lane_faces.COMPARED_AGE_MS", "resort.access.lane_face.FRESH_MS"):
        monkeypatch.setattr(name, 20_000.0)
    monkeypatch.setattr("actors.lane_faces.IDENTIFY_S", 20.0)
    monkeypatch.setattr("actors.inference_client.IDENTIFY_S", 20.0)


class WatchedLanes:
    """The ledger of the lanes as it is, and what this one lane told it."""

    def __init__(self, ledger: AdmissionLedger) -> None:
        self._ledger = ledger
        self.told: list[JournalEvent] = []
        self.before_grant: Callable[[], Awaitable[None]] | None = None
        self._more = asyncio.Event()

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        return await self._ledger.find(ticket_id)

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        before, self.before_grant = self.before_grant, None
        if before is not None:
            await before()
        return self._noted([grant], await self._ledger.commit_grant(grant, expected, usage))

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        return self._noted([outcome], await self._ledger.settle(outcome, expected, usage))

    async def amend(self, event: GrantAnnulled | TicketExited, expected: TicketRecord, usage: Usage) -> Conflict | None:
        return self._noted([event], await self._ledger.amend(event, expected, usage))

    async def append(self, events: Sequence[JournalEvent]) -> None:
        await self._ledger.append(events)
        self._noted(events, None)

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        return await self._ledger.lane_memory(lane_id)

    async def until(self, kind: type) -> JournalEvent:
        async with asyncio.timeout(WAIT_S):
            while not (found := [event for event in self.told if isinstance(event, kind)]):
                self._more.clear()
                await self._more.wait()
        return found[0]

    def _noted(self, events: Sequence[JournalEvent], answer: Conflict | None) -> Conflict | None:
        if answer is None:
            self.told.extend(events)
            self._more.set()
        return answer


@dataclass
class Stand:
    """A site of three gates, and at its first lane a camera, an arm and the inference actor."""

    site: OfflineSite
    store: ValkeyServer
    folder: Path  # of the store
    camera: CameraServer
    ledger: WatchedLanes
    faces: LaneFaces
    lane: LaneRuntime
    steel: SimTurnstile
    one: TicketId  # whose holder is `one_1` ...
    two: TicketId  # ... and `two`

    def show(self, photograph: bytes, ticket_id: TicketId | None) -> None:
        text = None if ticket_id is None else issue_code(ticket_id, KEYS)
        self.camera.show(self.lane.settings.lane_id, FaceScene(photograph, text))

    async def lose(self) -> None:
        """Kill the ledger; returns when the gates decide among themselves."""
        assert self.store.pid is not None
        os.kill(self.store.pid, signal.SIGKILL)
        await self.store.stop()
        await self.site.until(lambda: self._all_at("home"), WAIT_S)

    async def find_again(self) -> None:
        """Start it anew with nothing in it, and wait until it was rebuilt from SQL and spools."""
        for part in self.folder.rglob("*.aof*"):
            part.unlink()
        await self.store.start()
        client = connect(self.store.url)
        await client.delete(LedgerKeys(SITE).epoch)
        await client.aclose()
        await self.site.until(lambda: self._all_at("ledger"), WAIT_S)
        await self.site.journal.drain()

    async def goes_through(self) -> PassageConfirmed:
        signals = self.steel.subscribe()
        async with asyncio.timeout(WAIT_S):
            while not self.steel.unlocked:
                await signals.get()
        assert self.steel.push_in()
        passed = await self.ledger.until(PassageConfirmed)
        assert isinstance(passed, PassageConfirmed)
        return passed

    async def stored(self, kind: type) -> list[JournalEvent]:
        """Events of this kind and lane in SQL."""
        events = [stored.event for stored in await self.site.journal.store.events_after(0, 10_000)]
        return [event for event in events if isinstance(event, kind) and event.lane_id == self.lane.settings.lane_id]

    async def used(self, ticket_id: TicketId) -> int:
        record = await self.site.centrals[GATES[0]].find(ticket_id)
        assert record is not None
        return record.usage.used

    def _all_at(self, kind: str) -> bool:
        return all(lane.ledger.route.kind == kind for lane in self.site.lanes)


def grant_of(stand: Stand) -> GrantIssued:
    return next(event for event in stand.ledger.told if isinstance(event, GrantIssued))


@pytest_asyncio.fixture
async def stand(
    request: pytest.FixtureRequest, demo_site: Site, pictures: dict[str, bytes], short_folder: Path, tmp_path: Path
) -> AsyncIterator[Stand]:
    """`request.param`: what the lane does with faces, the rates of 1:1, and what a gate does that is cut off."""
    use, rule, cut_off = request.param
    store = ValkeyServer(short_folder / "data", short_folder / "s.sock")
    await store.start()
    client = connect(store.url)
    await client.set(LedgerKeys(SITE).epoch, "1 0-0 0")
    await client.aclose()
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    pool = Pool(demo_site, rule)
    await pool.actor.start()
    policy = msgspec.structs.replace(demo_site, offline=OfflinePolicy(cut_off=cut_off))
    site = OfflineSite(policy, tmp_path, store.url, database)
    async with opened(site):
        made = await _open_lane(site, store, short_folder, pool, use, pictures)
        yield made
        await made.lane.stop(0.2)
        await made.camera.stop()
    await pool.actor.close()
    await database.dispose()
    await store.stop()


async def _open_lane(
    site: OfflineSite, store: ValkeyServer, folder: Path, pool: Pool, use: FaceUse, pictures: dict[str, bytes]
) -> Stand:
    clock, place = SystemClock(), site.lanes[0]
    today = datetime.now(UTC).date()  # noqa: TID251 - the lane reads the real clock
    allowed = Entitlement("day", "adult", today, 1, ("standard",), media=("printed", "face"))
    one, two = await site.sell(2, allowed)
    await pool.enrol(one, pictures["one_1"])
    await pool.enrol(two, pictures["two"])
    camera = CameraServer([place.lane_id])
    await camera.start()
    steel = SimTurnstile(20_000.0, clock)
    source = CameraCodeSource(MjpegCamera(camera.url(place.lane_id), clock), CodeReader(), clock, 1_800, 2_500)
    faces = LaneFaces(FaceLimits(use, place.gate_id, compare_ms=20_000), source, pool.client, clock)
    settings = LaneSettings(place.gate_id, place.lane_id, "standard", LaneLimits(), ZoneInfo("UTC"), faces=use)
    ledger = WatchedLanes(place.ledger)
    failures: list[BaseException] = []
    lane = LaneRuntime(
        settings, "open", KEYS, ledger, MemoryTurnstile(steel), source, clock, RandomIds(), failures.append, faces=faces
    )
    await lane.start()
    await ledger.until(LaneChanged)
    return Stand(site, store, folder, camera, ledger, faces, lane, steel, one, two)


VERIFY, IDENTIFY = ("verify", USUAL, "refuse"), ("identify", USUAL, "refuse")


@pytest.mark.parametrize("stand", [VERIFY], indirect=True)
async def test_a_holder_is_compared_while_the_ledger_is_lost_and_the_entry_is_used_for_good(
    stand: Stand, pictures: dict[str, bytes]
) -> None:
    await stand.lose()
    stand.show(pictures["one_3"], stand.one)
    assert (await stand.goes_through()).ticket_id == stand.one
    await stand.find_again()
    [grant] = await stand.stored(GrantIssued)
    assert isinstance(grant, GrantIssued)
    assert (grant.decided_by, grant.face_away) == ("home", False)
    assert grant.face is not None
    assert grant.face.verdict is FaceVerdict.PASS
    assert await stand.used(stand.one) == 1
    assert await stand.site.lanes[-1].show(stand.one) == "used"


@pytest.mark.parametrize("stand", [VERIFY], indirect=True)
async def test_anothers_ticket_is_refused_while_the_ledger_is_lost_and_the_journal_hears_of_it(
    stand: Stand, pictures: dict[str, bytes]
) -> None:
    await stand.lose()
    stand.show(pictures["one_2"], stand.two)
    await stand.ledger.until(ScanRefused)
    await stand.find_again()
    [refused] = await stand.stored(ScanRefused)
    assert isinstance(refused, ScanRefused)
    assert (refused.reason, refused.ticket_id) == (Reason.FACE_OF_ANOTHER, stand.two)
    assert refused.face is not None
    assert (stand.steel.pulses, await stand.used(stand.two)) == (0, 0)


@pytest.mark.parametrize("stand", [IDENTIFY], indirect=True)
async def test_a_face_alone_opens_while_the_ledger_is_lost(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.lose()
    stand.show(pictures["one_2"], None)
    assert (await stand.goes_through()).ticket_id == stand.one
    await stand.find_again()
    [grant] = await stand.stored(GrantIssued)
    assert isinstance(grant, GrantIssued)
    assert (grant.ticket_id, grant.medium, grant.decided_by) == (stand.one, "face", "home")
    assert await stand.used(stand.one) == 1


@pytest.mark.parametrize("stand", [IDENTIFY], indirect=True)
async def test_a_face_alone_does_not_open_twice_wherever_its_ticket_was_used(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.lose()
    assert await stand.site.lanes[-1].show(stand.one) == "granted"
    stand.show(pictures["one_2"], None)
    refused = await stand.ledger.until(ScanRefused)
    assert isinstance(refused, ScanRefused)
    assert (refused.reason, refused.ticket_id, stand.steel.pulses) == (Reason.ALREADY_USED, stand.one, 0)


@pytest.mark.parametrize("stand", [("verify", STRICT, "refuse")], indirect=True)
async def test_staff_confirm_an_unsure_face_while_the_ledger_is_lost(stand: Stand, pictures: dict[str, bytes]) -> None:
    await stand.lose()
    stand.show(pictures["one_3"], stand.one)
    refused = await stand.ledger.until(ScanRefused)
    assert isinstance(refused, ScanRefused)
    assert refused.reason is Reason.FACE_UNSURE
    assert stand.faces.picture(refused.scan_id) is not None
    async with asyncio.timeout(WAIT_S):
        assert (await stand.lane.order(ConfirmFace("look-1", "anna", refused.scan_id))).outcome == "ok"
    await stand.goes_through()
    await stand.find_again()
    [grant] = await stand.stored(GrantIssued)
    assert isinstance(grant, GrantIssued)
    assert (grant.face_by, grant.decided_by) == ("anna", "home")


@pytest.mark.parametrize("stand", [VERIFY], indirect=True)
async def test_a_ledger_that_dies_between_comparison_and_grant_admits_once_or_not(
    stand: Stand, pictures: dict[str, bytes]
) -> None:
    stand.ledger.before_grant = stand.lose
    stand.show(pictures["one_3"], stand.one)
    await stand.goes_through()
    grant = grant_of(stand)
    assert grant.face is not None
    assert stand.steel.pulses == 1
    assert await stand.site.lanes[-1].show(stand.one) == "used"
    await stand.find_again()
    assert await stand.used(stand.one) == 1


@pytest.mark.parametrize("stand", [("verify", USUAL, "refuse"), ("verify", USUAL, "admit")], indirect=True)
async def test_a_gate_cut_off_keeps_its_policy_whatever_the_face(stand: Stand, pictures: dict[str, bytes]) -> None:
    gate = stand.site.gates[GATES[0]].ledger
    assert gate is not None
    stand.site.sources[GATES[0]].blind = True
    await stand.site.until(lambda: gate.route.kind == "alone", WAIT_S)
    await stand.site.until(lambda: stand.site.lanes[0].ledger.route.kind == "alone", WAIT_S)
    stand.show(pictures["one_3"], stand.one)
    if stand.site.site.offline.cut_off == "admit":
        await stand.goes_through()
        assert grant_of(stand).face is not None
        return
    refused = await stand.ledger.until(ScanRefused)
    assert isinstance(refused, ScanRefused)
    assert (refused.reason, stand.steel.pulses) == (Reason.LEDGER_UNAVAILABLE, 0)
