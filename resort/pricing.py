"""Prices by tariff table: pure. A quote lists the parts that made its price, in order, and the tariff version."""

import zlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec

from resort.errors import Invalid, NotFound
from resort.ids import IdSource, QuoteId
from resort.money import Money
from resort.site import DayKind, ProductSite, SalesLimits, TariffSite
from resort.slots import cell_of

Channel = Literal["shop", "kiosk", "desk", "partner"]


class QuoteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to know the price of: `units` maps unit type to number."""

    product: str
    day: date
    units: dict[str, int]
    channel: Channel = "shop"
    slot: str | None = None  # start time of a timed product

    @property
    def cell(self) -> str:
        """The cell, beside the day, that it asks about."""
        return cell_of(self.product, self.slot)


class PricePart(msgspec.Struct, frozen=True):
    """One step of the price: `quantity` × `each` = `amount`."""

    code: str  # e.g. "weekend", "unit:child"
    unit: str
    quantity: int
    each: Money
    amount: Money


class Quote(msgspec.Struct, frozen=True):
    """A price that is honoured until `expires_at`."""

    quote_id: QuoteId
    product: str
    day: date
    units: dict[str, int]
    channel: Channel
    parts: tuple[PricePart, ...]
    total: Money
    tariff_version: str
    quoted_at: datetime
    expires_at: datetime
    slot: str | None = None

    @property
    def cell(self) -> str:
        """The cell, beside the day, that an order on this quote takes its places from."""
        return cell_of(self.product, self.slot)

    @property
    def places(self) -> int:
        """Places that an order on this quote takes from the cell."""
        return sum(self.units.values())


def day_kind(day: date, tariff: TariffSite) -> DayKind:
    """Weekday, weekend or holiday, under the tariff's own table of exceptions."""
    if day in tariff.holidays:
        return "holiday"
    if day.weekday() >= 5 and day not in tariff.workdays:
        return "weekend"
    return "weekday"


def check_request(request: QuoteRequest, product: ProductSite | None, today: date, limits: SalesLimits) -> ProductSite:
    """The product, if the request can be priced at all. Raises NotFound or Invalid with the field that is wrong."""
    if product is None:
        raise NotFound("product", request.product)
    known = {price.unit for price in product.units}
    for unit, number in request.units.items():
        if unit not in known:
            raise Invalid("units", f"{unit} is not one of {', '.join(sorted(known))}")
        if number < 1:
            raise Invalid("units", f"the number of {unit} must be at least 1")
    for unit, other in product.companions.items():
        if request.units.get(unit, 0) > request.units.get(other, 0):
            raise Invalid("units", f"each {unit} accompanies a {other} of the same order")
    total = sum(request.units.values())
    if not 1 <= total <= limits.max_units:
        raise Invalid("units", f"ask for 1 to {limits.max_units} units at once")
    if not today <= request.day <= today + timedelta(days=limits.horizon_days):
        raise Invalid("day", f"must be from today to {limits.horizon_days} days ahead")
    if product.season is not None and request.day > product.season.ends:
        raise Invalid("day", f"the season ends on {product.season.ends}")
    return product


def unit_price(product: ProductSite, unit: str, kind: DayKind) -> int:
    """What one unit pays on such a day, in minor units. Rounded half up on the reduced price, so that the guest's price is a
    clean product."""
    percent = next(price.percent for price in product.units if price.unit == unit)
    return (product.prices[kind] * percent + 50) // 100


def make_quote(
    request: QuoteRequest, product: ProductSite, tariff: TariffSite, limits: SalesLimits, now: datetime, ids: IdSource
) -> Quote:
    """Price a checked request. Each unit's base price is listed, then its reduction, so the parts add up to the total."""
    kind = day_kind(request.day, tariff)
    base = Money(product.prices[kind], tariff.currency)
    parts: list[PricePart] = []
    for unit, number in sorted(request.units.items()):
        parts.append(PricePart(kind, unit, number, base, base.times(number)))
        reduced = Money(unit_price(product, unit, kind), tariff.currency)
        if reduced != base:
            each = reduced - base
            parts.append(PricePart(f"unit:{unit}", unit, number, each, each.times(number)))
    total = Money(sum(part.amount.minor for part in parts), tariff.currency)
    return Quote(
        quote_id=QuoteId(ids.new("quote")),
        product=product.code,
        day=request.day,
        units=dict(request.units),
        channel=request.channel,
        parts=tuple(parts),
        total=total,
        tariff_version=tariff.version,
        quoted_at=now,
        expires_at=now + timedelta(seconds=limits.quote_s),
        slot=request.slot,
    )


def shard_of(cell: str, day: date, shards: int) -> int:
    """The shard (0 to `shards` - 1) that owns this inventory cell: the same in every process and on every day."""
    return zlib.crc32(f"{cell}|{day.isoformat()}".encode()) % shards


def by_shard(product: str, day: date, places: Mapping[str, int], shards: int) -> dict[int, dict[str, int]]:
    """Numbers by slot, parted by who owns the slots' cells."""
    parted: dict[int, dict[str, int]] = {}
    for slot, number in places.items():
        parted.setdefault(shard_of(cell_of(product, slot), day, shards), {})[slot] = number
    return parted
