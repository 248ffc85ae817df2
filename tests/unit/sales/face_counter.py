"""A ticket office where faces are enrolled by real models from real photographs, on a SQL database that is asked for."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image
from sqlalchemy import select

from benchmarks.face_photographs import photographs
from orchestrator.local_faces import LocalReader
from resort.clock import ManualClock
from resort.face_consent import WORDING
from resort.faces import FaceChange
from resort.ids import RandomIds, TicketId
from resort.messages import FaceEnrolled, FaceForgotten, decode_event
from resort.site import FacesSite
from sales.faces import FaceAsk, FaceOffice, FaceStanding
from sales.office import Payment
from sim.ticket_shop import MORNING, Shop, open_shop, shop_site
from storage.face_keys import FaceKeys
from storage.faces_sql import FaceStore
from storage.tables import staff_orders


def jpeg(name: str) -> bytes:
    """A photograph as a telephone sends it."""
    content = io.BytesIO()
    Image.fromarray(photographs()[name]).save(content, "JPEG", quality=92)
    return content.getvalue()


class Gallery:
    """Follows the store as a gallery does, and counts how often it is told."""

    def __init__(self, store: FaceStore) -> None:
        self.told = 0
        self.version = 0
        self.held: dict[TicketId, bytes] = {}
        self._store = store

    async def tell(self) -> None:
        self.told += 1
        while changes := await self._store.after(self.version, 2):
            for change in changes:
                self.take(change)

    def take(self, change: FaceChange) -> None:
        assert change.version > self.version
        self.version = change.version
        self.held.pop(change.ticket_id, None)
        if change.face is not None:
            self.held[change.ticket_id] = change.face.vector


@dataclass
class Counter:
    """All parts."""

    shop: Shop
    clock: ManualClock
    store: FaceStore
    office: FaceOffice
    gallery: Gallery
    reader: LocalReader
    sold: int = 0

    async def sell(self, unit: str = "adult", channel: str = "shop") -> TicketId:
        self.sold += 1
        quote = await self.shop.quoted(**({"adults": 1} if unit == "adult" else {"adults": 0, "children": 1}))
        order = await self.shop.office.place_order(quote.quote_id, channel, f"k{self.sold}")
        order = await self.shop.office.pay(order.order_id, Payment("cash", order.total), channel, f"k{self.sold}")
        return TicketId(order.tickets[0].ticket_id)

    async def enrol(self, ticket: str, picture: bytes, **changes: Any) -> FaceStanding:
        ask = FaceAsk(
            ticket_id=ticket,
            picture=picture,
            wording=WORDING.version,
            given_by="holder",
            age="14_or_over",
            origin="window",
            by="anna",
        )
        return await self.office.enrol(msgspec.structs.replace(ask, **changes))

    async def events(self) -> list[FaceEnrolled | FaceForgotten]:
        async with self.shop.db.read() as connection:
            bodies = (await connection.execute(select(staff_orders.c.body).order_by(staff_orders.c.seq))).scalars().all()
        events = [decode_event(body) for body in bodies]
        return [event for event in events if isinstance(event, FaceEnrolled | FaceForgotten)]


@asynccontextmanager
async def open_counter(url: str, folder: Path) -> AsyncIterator[Counter]:
    """A counter on the database at `url`; its keys in `folder`."""
    clock = ManualClock(MORNING)
    site = msgspec.structs.replace(shop_site(), faces=FacesSite())
    async with open_shop(url, site, clock) as shop:
        keys = FaceKeys(folder / "face_keys.json")
        keys.ensure(clock.now().at)
        store = FaceStore(shop.db, keys)
        reader = await LocalReader.open(clock)
        gallery = Gallery(store)
        try:
            yield Counter(
                shop, clock, store, FaceOffice(shop.db, store, site, clock, RandomIds(), reader, gallery), gallery, reader
            )
        finally:
            await reader.close()
