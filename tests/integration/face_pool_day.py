"""A day of the inference pool, run by `test_face_pool.py` in a process of its own: real Ray, store, models and photographs.

Writes what happened, step by step, as JSON into the folder that it is given.
"""

import asyncio
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
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
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.service_day import site_day
from resort.clock import SystemClock
from resort.errors import FacesUnavailable
from resort.faces import StoredFace
from resort.ids import GateId, OrderId, RandomIds, TicketId
from resort.orders import OrderState
from resort.pricing import QuoteRequest, make_quote
from resort.site import FacesSite, SalesLimits, Site
from sim.ticket_shop import shop_site
from storage.database import Database
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore, SealedFace, StoredConsent
from storage.migrate import upgrade
from storage.orders_sql import StoredOrder, insert_order, insert_tickets

SHARDS = 2
PATIENCE_S = 60.0  # in which a face is forgotten, even when nobody was told
LOOK_S = 0.1
VILLAGE, SUMMIT = GateId("village"), GateId("summit")
CONFIG = Path(__file__).parents[2] / "config" / "demo.yaml"


class Enrolments:
    """Faces put into the real store and taken out of it, as the use cases do, but nobody is told."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite+aiosqlite:///{folder / 'snowgate.db'}"
        self.keys = folder / "face_keys.json"
        self._clock = SystemClock()
        self._database = Database(self.url)
        self._store = FaceStore(self._database, FaceKeys(self.keys))

    async def open(self, tickets: Sequence[TicketId]) -> None:
        """Make the tables, the key, and tickets that were sold."""
        await upgrade(self.url)
        now = self._clock.now().at
        self._store.keys.ensure(now)
        shop, ids = shop_site(), RandomIds()
        day = shop.products[0].code
        request = QuoteRequest(day, now.date(), {"adult": len(tickets)})
        quote = make_quote(request, shop.products[0], shop.tariff, SalesLimits(), now, ids)
        order_id = OrderId(ids.new("order"))
        order = StoredOrder(order_id, "shop", OrderState.NEW, ("new",), quote, None, None, now, now)
        allowed = Entitlement(day, "adult", now.date(), None, ("standard",), valid_until=date(2099, 12, 1))
        async with self._database.write() as connection:
            await insert_order(connection, order)
            sold = [(ticket_id, TicketRecord(1, allowed, Usage())) for ticket_id in tickets]
            await insert_tickets(connection, order_id, sold, now)

    async def enrol(self, face: StoredFace) -> None:
        """Store a face."""
        now = self._clock.now().at
        sealed = SealedFace(
            **msgspec.structs.asdict(face),
            picture=b"",
            origin="upload",
            enrolled_at=now,
        )
        consent = StoredConsent(
            consent_id=RandomIds().new("consent"),
            wording="1",
            wording_digest="",
            given_by="holder",
            given_at=now,
            origin="upload",
            recorded_by="test",
        )
        async with self._database.write() as connection:
            await self._store.put(connection, sealed, consent)

    async def forget(self, ticket_id: TicketId) -> None:
        """Delete a face."""
        async with self._database.write() as connection:
            assert await self._store.forget(connection, ticket_id, self._clock.now().at, "test", "withdrawn")

    async def close(self) -> None:
        """Close the connections."""
        await self._database.dispose()


class PoolDay:
    """The pool, and what it said."""

    def __init__(self, folder: Path) -> None:
        plain = load_site(CONFIG)
        self.faces = FacesSite(inference_actors=SHARDS)
        self.site: Site = msgspec.structs.replace(plain, faces=self.faces)
        self.client = FacesClient(self.faces)
        self.store = Enrolments(folder)
        self.seen: dict[str, Any] = {}
        self._folder = folder
        self._ray = tempfile.TemporaryDirectory(prefix="snowgate-")  # the tests' own folders may be too long for its sockets
        self._handles: list[Any] = []
        self._pictures = {name: _jpeg(picture) for name, picture in photographs().items()}

    async def _end(self) -> None:
        ray.shutdown()
        self._ray.cleanup()
        await self.store.close()

    async def run(self) -> None:
        """The whole day."""
        self.one, self.two = pool_ticket(0), pool_ticket(1)
        await self.store.open([self.one, self.two])
        await asyncio.to_thread(start_local_ray, Path(self._ray.name), SHARDS)
        try:
            self._open()
            await self._until_whole()
            await self._enrolment()
            await self._forgetting()
            await self._loss_of_a_shard()
            self._object_store()
            await asyncio.gather(*(handle.close.remote() for handle in self._handles))
        finally:
            await self._end()
        (self._folder / "seen.json").write_bytes(msgspec.json.encode(self.seen))

    def _open(self) -> None:
        for shard in range(SHARDS):
            made: Any = ray.remote(booted(InferenceActor))
            options = {"name": inference_name(shard), "num_cpus": 0, "max_restarts": -1, "max_concurrency": 64}
            hosting = InferenceHosting(self.site, shard, self.store.url, str(self.store.keys))
            self._handles.append(made.options(**options).remote(hosting))

    async def _enrolment(self) -> None:
        """Unknown before; known by both ways as soon as the news was told, at gates where the ticket is valid."""
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
        await self.store.forget(self.one)
        await self.client.tell()
        self.seen["forgotten"] = [await self._compared(self.one, "one_2"), await self._named(VILLAGE, "one")]
        await self._enrol(self.one, "one_1", ("base",))
        await self.store.forget(self.one)
        self.seen["untold"] = await self._compared(self.one, "one_2")
        await self._until(lambda said: said is None, self.one)
        self.seen["forgotten_untold"] = await self._compared(self.one, "one_2")
        await self._enrol(self.one, "one_1", ("base",))

    async def _loss_of_a_shard(self) -> None:
        """The second actor is frozen, then killed; whatever is said until all is well again."""
        killed = await self._handles[1].ping.remote()
        os.kill(killed, signal.SIGSTOP)
        said: list[Any] = [await self._named(VILLAGE, "one")]
        self.seen["one_to_one_meanwhile"] = await self._compared(self.one, "one_3")
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            while said[-1] != ["pass", self.one]:
                said.append(await self._named(VILLAGE, "one"))
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
        today = site_day(SystemClock().now().at, self.site)
        face = StoredFace(
            ticket_id=ticket_id,
            model_id=measured.model_id,
            vector=measured.vector,
            valid_on=today,
            valid_until=today.replace(year=today.year + 1),
            places=places,
        )
        await self.store.enrol(face)
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


def pool_ticket(shard: int) -> TicketId:
    """A ticket whose face this shard holds."""
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
