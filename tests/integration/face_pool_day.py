"""A day of the inference pool, run by `test_face_pool.py` in a process of its own: real Ray, models and photographs.

Writes what happened, step by step, as JSON into the folder that it is given.
"""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
import ray
from PIL import Image

from actors.face_messages import face_shard
from actors.inference import InferenceActor, InferenceHosting
from actors.inference_client import FacesClient
from actors.names import inference_name
from benchmarks.face_photographs import photographs
from orchestrator.cluster import booted, start_local_ray
from orchestrator.settings import load_site
from resort.access.service_day import service_day
from resort.clock import SystemClock
from resort.errors import FacesUnavailable
from resort.faces import FaceChange, StoredFace
from resort.ids import GateId, TicketId
from resort.site import FacesSite, Site

SHARDS = 2
PATIENCE_S = 60.0  # in which a face is forgotten, even when nobody was told
LOOK_S = 0.1
VILLAGE, SUMMIT = GateId("village"), GateId("summit")
CONFIG = Path(__file__).parents[2] / "config" / "demo.yaml"


class FileFaces:
    """`FaceChanges` in a file that every process reads: stands where the store is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def after(self, version: int, limit: int) -> Sequence[FaceChange]:
        """See the port."""
        return [change for change in self._all() if change.version > version][:limit]

    def step(self, ticket_id: TicketId, face: StoredFace | None) -> None:
        """Enrol or forget."""
        changes = [change for change in self._all() if change.ticket_id != ticket_id]
        version = max((change.version for change in self._all()), default=0) + 1
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode([*changes, FaceChange(version, ticket_id, face)]))
        fresh.replace(self._path)

    def _all(self) -> list[FaceChange]:
        if not self._path.exists():
            return []
        return sorted(msgspec.json.decode(self._path.read_bytes(), type=list[FaceChange]), key=lambda change: change.version)


class PoolDay:
    """The pool, and what it said."""

    def __init__(self, folder: Path) -> None:
        plain = load_site(CONFIG)
        self.faces = FacesSite(inference_actors=SHARDS)
        self.site: Site = msgspec.structs.replace(plain, faces=self.faces)
        self.client = FacesClient(self.faces)
        self.store = FileFaces(folder / "faces.json")
        self.seen: dict[str, Any] = {}
        self._folder = folder
        self._handles: list[Any] = []
        self._pictures = {name: _jpeg(picture) for name, picture in photographs().items()}

    async def run(self) -> None:
        """The whole day."""
        await asyncio.to_thread(start_local_ray, self._folder / "ray", SHARDS)
        try:
            self._open()
            await self._until_whole()
            await self._enrolment()
            await self._forgetting()
            await self._loss_of_a_shard()
            self._object_store()
            await asyncio.gather(*(handle.close.remote() for handle in self._handles))
        finally:
            ray.shutdown()
        (self._folder / "seen.json").write_bytes(msgspec.json.encode(self.seen))

    def _open(self) -> None:
        for shard in range(SHARDS):
            made: Any = ray.remote(booted(InferenceActor))
            options = {"name": inference_name(shard), "num_cpus": 0, "max_restarts": -1, "max_concurrency": 64}
            hosting = InferenceHosting(self.site, shard, "", "")
            self._handles.append(made.options(**options).remote(hosting, SystemClock(), self.store))

    async def _enrolment(self) -> None:
        """Unknown before; known by both ways as soon as the news was told, at gates where the ticket is valid."""
        self.one, self.two = _ticket(0), _ticket(1)
        self.seen["before"] = [await self._compared(self.one, "one_2"), await self._named(VILLAGE, "one")]
        await self._enrol(self.one, "one_1", ("base",))
        await self._enrol(self.two, "two", ())
        self.seen["enrolled"] = [await self._compared(self.one, "one_2"), await self._named(VILLAGE, "one")]
        self.seen["of_another"] = await self._compared(self.one, "two")
        self.seen["elsewhere"] = await self._named(SUMMIT, "one")
        self.seen["a_stranger"] = await self._named(VILLAGE, "three")
        self.seen["two_faces"] = await self._named(VILLAGE, "six")

    async def _forgetting(self) -> None:
        """Gone when told; gone within the minute when nobody tells."""
        self.store.step(self.one, None)
        await self.client.tell()
        self.seen["forgotten"] = [await self._compared(self.one, "one_2"), await self._named(VILLAGE, "one")]
        await self._enrol(self.one, "one_1", ("base",))
        self.store.step(self.one, None)
        self.seen["untold"] = await self._compared(self.one, "one_2")
        await self._until(lambda said: said is None, self.one)
        self.seen["forgotten_untold"] = await self._compared(self.one, "one_2")
        await self._enrol(self.one, "one_1", ("base",))

    async def _loss_of_a_shard(self) -> None:
        """The second actor is killed; whatever is said until all is well again."""
        killed = await self._handles[1].ping.remote()
        os.kill(killed, signal.SIGKILL)
        said: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while not said or said[-1] != ["pass", self.one]:
                said.append(await self._named(VILLAGE, "one"))
                self.seen.setdefault("one_to_one_meanwhile", await self._compared(self.one, "one_3"))
                await asyncio.sleep(LOOK_S)
        self.seen["meanwhile"] = [answer for number, answer in enumerate(said) if answer not in said[:number]]
        await self._until(lambda answer: answer == "pass", self.two, "two")
        self.seen["back"] = [await self._compared(self.two, "two"), await self._compared(self.two, "one_1")]
        self.seen["restarted"] = await self._handles[1].ping.remote() != killed

    def _object_store(self) -> None:
        """How often a frame's own bytes are in Ray's shared memory, and a control's that is put there."""
        control = os.urandom(64)
        kept = ray.put(control * 4000)
        in_store = _in_object_store(control), _in_object_store(self._frames("one")[0][2000:2064])
        self.seen["in_object_store"] = [count > 0 for count in in_store]
        del kept

    async def _enrol(self, ticket_id: TicketId, picture: str, places: tuple[str, ...]) -> None:
        measured = await self.client.measure(self._pictures[picture])
        assert measured.vector is not None
        today = service_day(SystemClock().now().at, self.site.zone, self.site.admission.day_begins)
        face = StoredFace(
            ticket_id=ticket_id,
            model_id=measured.model_id,
            vector=measured.vector,
            valid_on=today,
            valid_until=today.replace(year=today.year + 1),
            places=places,
        )
        self.store.step(ticket_id, face)
        await self.client.tell()

    async def _compared(self, ticket_id: TicketId, picture: str) -> str | None:
        """The verdict of 1:1; None: no face is enrolled; "unavailable"."""
        try:
            decision = await self.client.compare(ticket_id, [self._pictures[picture]])
        except FacesUnavailable:
            return "unavailable"
        return None if decision is None else str(decision.verdict)

    async def _named(self, gate_id: GateId, person: str) -> list[str | None]:
        """Verdict and holder of 1:N."""
        try:
            decision = await self.client.identify(gate_id, self._frames(person))
        except FacesUnavailable:
            return ["unavailable", None]
        return [str(decision.verdict), decision.holder]

    def _frames(self, person: str) -> list[bytes]:
        names = [name for name in self._pictures if name.startswith(person)]
        return [self._pictures[names[number % len(names)]] for number in (1, 2, 3)]

    async def _until(self, holds: Callable[[str | None], bool], ticket_id: TicketId, picture: str = "one_2") -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(await self._compared(ticket_id, picture)):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(LOOK_S)

    async def _until_whole(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await self._whole():  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(LOOK_S)

    async def _whole(self) -> bool:
        return all(figures is not None and figures.holders is not None for figures in await self.client.figures())


def _ticket(shard: int) -> TicketId:
    tickets = (TicketId(f"{number:016x}") for number in range(100))
    return next(ticket_id for ticket_id in tickets if face_shard(ticket_id, SHARDS) == shard)


def _jpeg(picture: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=95)
    return content.getvalue()


def _in_object_store(content: bytes) -> int:
    """How often `content` is in the memory that Ray's daemon shares."""
    (raylet,) = (child for child in psutil.Process().children(recursive=True) if child.name() == "raylet")
    count = 0
    with open(f"/proc/{raylet.pid}/maps") as maps, open(f"/proc/{raylet.pid}/mem", "rb") as memory:
        for line in maps:
            if "plasma" in line or "/dev/shm" in line:  # noqa: S108 - where Ray has it
                start, end = (int(address, 16) for address in line.split()[0].split("-"))
                memory.seek(start)
                count += memory.read(end - start).count(content)
    return count


if __name__ == "__main__":
    asyncio.run(PoolDay(Path(sys.argv[1])).run())
