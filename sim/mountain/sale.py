"""A rush of orders on a virtual day, decided by the real quota cells (`resort/inventory.py`): nothing may be sold twice."""

import random
from datetime import timedelta

from resort.errors import HoldExpired, SoldOut
from resort.inventory import InventoryCell
from sim.mountain.course import Course
from sim.mountain.scenario import SaleScene, Scenario
from sim.mountain.tally import Tally

HOLD_S = 600.0  # as `sales_limits.hold_s` of the demo resort
PAYS_S = (20.0, 240.0)
PRODUCT = "sale"


class Sale:
    """Orders come evenly at random within the sale; each takes places, and pays or does not."""

    def __init__(self, scene: Scenario, sale: SaleScene, course: Course, tally: Tally, seed: int) -> None:
        self._sale, self._course, self._tally = sale, course, tally
        self._party_share = scene.arrivals.party_share
        self._dice = random.Random(f"{seed} sale")
        days = [scene.day.date + timedelta(days=number + 1) for number in range(sale.days)]
        self.cells = [InventoryCell(PRODUCT, day, sale.quota_per_day) for day in days]

    def plan(self) -> None:
        """Draw when orders come."""
        begins, lasts = self._sale.at_min * 60, self._sale.minutes * 60
        for at_s in sorted(begins + self._dice.random() * lasts for _ in range(self._sale.orders)):
            self._course.do(at_s, self._order)

    @property
    def oversold(self) -> int:
        """Places beyond the quota: must stay 0."""
        return sum(max(0, cell.taken - cell.quota) for cell in self.cells)

    def _order(self) -> None:
        number = self._tally.orders["orders"] = self._tally.orders["orders"] + 1
        cell = self._dice.choice(self.cells)
        places = self._dice.choices(range(1, len(self._party_share) + 1), self._party_share)[0]
        now = self._course.now()
        order_id = f"order_{number}"
        try:
            cell.hold(order_id, places, now.after_ms(HOLD_S * 1000).at, now.at)
        except SoldOut:
            self._tally.orders["sold_out"] += 1
            return
        if self._dice.random() >= self._sale.abandoned:
            self._course.after(self._dice.uniform(*PAYS_S), self._pay, cell, order_id, places)

    def _pay(self, cell: InventoryCell, order_id: str, places: int) -> None:
        try:
            cell.confirm(order_id, self._course.now().at)
        except HoldExpired:
            self._tally.orders["too_late"] += 1
            return
        self._tally.orders["paid"] += 1
        self._tally.orders["places"] += places
