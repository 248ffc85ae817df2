"""What is left in the slots of timed products, read from SQL: what partners and shops show before anybody asks for a price."""

from datetime import date, timedelta

from resort.access.service_day import site_day
from resort.clock import Clock
from resort.errors import Invalid, NotFound
from resort.site import Site
from resort.slots import cell_of, ends_at, starts_at
from sales.views import SlotState, SlotView
from storage.database import Database
from storage.inventory_sql import CellBook, cell_books


class SlotShelf:
    """Reads only; a slot may be full a moment later."""

    def __init__(self, db: Database, site: Site, clock: Clock) -> None:
        self._db = db
        self._site = site
        self._clock = clock

    async def slots(self, product: str, day: date) -> list[SlotView]:
        """Every slot of that day, in order. Raises NotFound, Invalid (no timed product, or a day that is not on sale)."""
        found = self._site.product(product)
        if found is None:
            raise NotFound("product", product)
        if found.slots is None:
            raise Invalid("product", f"{product} has no start times")
        now, zone = self._clock.now().at, self._site.zone
        today, horizon = site_day(now, self._site), self._site.sales_limits.horizon_days
        if not today <= day <= today + timedelta(days=horizon):
            raise Invalid("day", f"must be from today to {horizon} days ahead")
        starts = found.slots.starts()
        async with self._db.read() as connection:
            books = await cell_books(connection, [cell_of(product, slot) for slot in starts], day, day, now)
        views = []
        for slot in starts:
            over = now >= ends_at(found.slots, day, slot, zone)
            book = books.get((cell_of(product, slot), day), CellBook())
            left = 0 if over else book.free(found.places_of(slot))
            state: SlotState = "over" if over else "open" if left else "sold_out"
            views.append(SlotView(slot, starts_at(day, slot, zone), state, left))
        return views
