"""A pricing shard without its one unit of work: the naive way, for control runs of drills only (`resort/guards.py`).

Places are taken first and the hold that says for whom is written a moment later, as two steps; whoever dies in between has
taken places for nobody.
"""

import asyncio
from datetime import timedelta

from sqlalchemy import update

from actors.pricing import PricingActor
from resort.guards import Guards
from resort.pricing import Quote
from storage.inventory_sql import load_cell, set_quota, store_changes
from storage.tables import inventory_cells

BETWEEN_S = 0.05


def pricing_under(guards: Guards) -> type[PricingActor]:
    """The shard itself, or the one that works in two steps."""
    return PricingActor if guards.one_unit else TwoStepPricing


class TwoStepPricing(PricingActor):
    """Takes places and writes the hold in two units."""

    async def hold(self, quote: Quote, order_id: str) -> None:
        """See `PricingActor.hold`; what it promises does not hold here."""
        until = self._clock.now().at + timedelta(seconds=self._site.sales_limits.hold_s)
        async with self._turn(quote.cell, quote.day):
            places = inventory_cells.c.product == quote.cell, inventory_cells.c.day == quote.day
            async with self._db.write() as connection:
                await set_quota(connection, quote.cell, quote.day, self._quota(quote.cell))
                await connection.execute(
                    update(inventory_cells).where(*places).values(taken=inventory_cells.c.taken + quote.places)
                )
            await asyncio.sleep(BETWEEN_S)
            async with self._db.write() as connection:
                await connection.execute(
                    update(inventory_cells).where(*places).values(taken=inventory_cells.c.taken - quote.places)
                )
                now = self._clock.now().at
                cell = await load_cell(connection, quote.cell, quote.day, order_id, now)
                assert cell is not None
                await store_changes(connection, cell, cell.hold(order_id, quote.places, until, now))
