"""One inference actor: reads faces for whoever asks, and holds one shard of the gallery.

Stateless but for memory: the constructor is the recovery. After a restart it reads faces at once and answers about holders as
soon as its shard is whole again; until then it says FacesUnavailable, never something about a part. A plain class;
`orchestrator/cluster.py` makes it remote. No picture and no vector leaves in a log, an error or an event.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path

import msgspec

from actors.collecting import collect_seldom
from actors.face_desk import FaceDesk, seen_together
from actors.face_galleries import FaceGalleries
from actors.face_messages import SeenFrames, ShardRanking
from actors.gallery_follower import GalleryFollower
from actors.picture_pieces import joined
from actors.tasks import lifelong
from actors.work_thread import WorkThread
from ml_models.face_embedder import fused, unpacked
from ml_models.face_reader import FaceReader
from resort.access.service_day import site_day
from resort.clock import Clock, SystemClock
from resort.errors import FacesUnavailable
from resort.face_rules import NOBODY, FaceDecision
from resort.faces import FaceChanges, FaceMeasured
from resort.figures import FaceFigures
from resort.ids import GateId, TicketId
from resort.site import FacesSite, Site
from storage.database import Database
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore

LOOK_S = 5.0


class InferenceHosting(msgspec.Struct, frozen=True):
    """Which shard an actor holds, and where the stored faces are."""

    site: Site
    shard: int
    database_url: str
    face_keys: str  # path of the file with the keys of stored faces


class InferenceActor:
    """Shard `hosting.shard` of the site's `inference_actors`. Nothing here moves or stores anything: calls may be repeated."""

    def __init__(self, hosting: InferenceHosting, clock: Clock | None = None, changes: FaceChanges | None = None) -> None:
        """`changes`: in place of the stored faces at `hosting.database_url`."""
        self._hosting = hosting
        self._faces = hosting.site.faces or FacesSite()
        self._clock = clock or SystemClock()
        self._changes = changes
        self._database: Database | None = None
        self._eyes = WorkThread("face reading")
        self._memory = WorkThread("face gallery")  # its own, so that a search does not wait for pictures
        self._figures = FaceFigures()
        self._closing = asyncio.Event()

    async def start(self) -> None:
        """Load the models, then begin to read the stored faces. Raises PartMissing without the models."""
        reader = await self._eyes.run(partial(FaceReader, liveness=self._faces.liveness))
        self._desk = FaceDesk(reader, self._eyes, self._clock)
        self._follower = GalleryFollower(self._stored(), self._galleries, self._today, self._clock, self._memory)
        self._following = lifelong(self._follow(), f"gallery {self._hosting.shard}")
        collect_seldom()

    async def ping(self) -> int:
        """The process id, as proof of life."""
        return os.getpid()

    async def measure(self, *pieces: bytes) -> FaceMeasured:
        """See `FacePool.measure`; the picture in pieces. Raises Busy, Invalid."""
        with self._timed("measure"):
            return await self._desk.photograph(b"".join(pieces))

    async def cut_out(self, *pieces: bytes) -> bytes | None:
        """See `FaceCutter.cut_out`; the frame in pieces. Raises Busy, Invalid."""
        with self._timed("cut_out"):
            return await self._desk.cut_out(b"".join(pieces))

    async def see(self, sizes: Sequence[int], *pieces: bytes) -> SeenFrames:
        """Frames, cut in `pieces` of which `sizes` belong to each, as vectors for `rank`. Raises Busy, Invalid."""
        with self._timed("see"):
            return seen_together(self._desk.model_id, await self._desk.frames(joined(sizes, pieces)))

    async def see_ahead(self, sizes: Sequence[int], *pieces: bytes) -> None:
        """Read frames that will be asked about in a moment; after whatever is asked about now. Raises Busy, Invalid."""
        with self._timed("see_ahead"):
            await self._desk.frames(joined(sizes, pieces), ahead=True)

    async def compare(self, ticket_id: TicketId, sizes: Sequence[int], *pieces: bytes) -> FaceDecision | None:
        """See `FacePool.compare`, for a ticket of this shard. Raises Busy, Invalid, FacesUnavailable."""
        with self._timed("compare"):
            if not await self._follower.ask(lambda galleries: galleries.enrolled(ticket_id)):
                return None  # most tickets have no face: nothing is looked at
            seen = seen_together(self._desk.model_id, await self._desk.frames(joined(sizes, pieces)))
            score: float | None = NOBODY
            if seen.vectors:
                whole = fused([unpacked(vector) for vector in seen.vectors])
                score = await self._follower.ask(lambda galleries: galleries.likeness(ticket_id, whole))
            if score is None:
                return None  # forgotten meanwhile
            decision = self._faces.one_to_one.decide(score, seen.faces)
            return msgspec.structs.replace(decision, frames=len(sizes), model_id=seen.model_id, liveness=seen.liveness)

    async def rank(self, gate_id: GateId, seen: SeenFrames) -> ShardRanking:
        """This shard's part of 1:N. Raises Invalid, FacesUnavailable."""
        with self._timed("rank"):
            if seen.model_id != self._desk.model_id:
                raise FacesUnavailable("The gallery", f"it is of {self._desk.model_id}, and the frames of {seen.model_id}")
            vectors = [unpacked(vector) for vector in seen.vectors]
            return await self._follower.ask(lambda galleries: galleries.rank(gate_id, vectors))

    async def look(self) -> None:
        """There are changes: answers when they are taken. Raises DatabaseUnavailable."""
        await self._follower.catch_up()

    async def figures(self) -> FaceFigures:
        """What was asked of this process since it began, and how its shard stands."""
        return msgspec.structs.replace(self._figures, holders=self._follower.holders, refused=self._desk.refused)

    async def close(self) -> None:
        """Stop looking, end the threads, close the connections; idempotent."""
        self._closing.set()  # not cancelled: what is under way in SQL ends by itself
        await asyncio.gather(self._following, return_exceptions=True)
        await self._eyes.close()
        await self._memory.close()
        if self._database is not None:
            await self._database.dispose()

    async def _follow(self) -> None:
        while not self._closing.is_set():
            await self._follower.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._closing.wait()

    def _galleries(self, day: date) -> FaceGalleries:
        site, hosting = self._hosting.site, self._hosting
        return FaceGalleries(site, hosting.shard, self._faces.inference_actors, self._desk.model_id, day)

    def _today(self) -> date:
        site = self._hosting.site
        return site_day(self._clock.now().at, site)

    def _stored(self) -> FaceChanges:
        if self._changes is not None:
            return self._changes
        self._database = Database(self._hosting.database_url)
        return FaceStore(self._database, FaceKeys(Path(self._hosting.face_keys)))

    @contextmanager
    def _timed(self, call: str) -> Iterator[None]:
        began = self._clock.now()
        try:
            yield
        finally:
            self._figures.observe(call, self._clock.now().ms_since(began))
