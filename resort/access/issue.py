"""From a product to the tickets of one order: what each of them allows. Pure."""

from collections.abc import Mapping
from datetime import date, time, timedelta

from resort.access.entitlement import Entitlement, Hours, PlaceHours, TicketRecord, Usage
from resort.ids import IdSource, TicketId
from resort.site import HoursSite, ProductSite
from resort.slots import minute_of, text_of, time_of

MIDNIGHT = time(0)


def tickets_for(
    product: ProductSite, day: date, units: Mapping[str, int], ids: IdSource, slot: str | None = None
) -> list[tuple[TicketId, TicketRecord]]:
    """New tickets of `product` for `day` and, of a timed one, `slot`; by unit. The first companion is bound to the first
    ticket of the unit that it accompanies, the second to the second, and so on: `resort.pricing.check_request` saw to it that
    there are enough."""
    holders = {unit: [ids.ticket_id() for _ in range(number)] for unit, number in sorted(units.items())}
    issued = []
    for unit, ticket_ids in holders.items():
        bound_to = holders[product.companions[unit]] if unit in product.companions else [None] * len(ticket_ids)
        issued += [
            (ticket_id, TicketRecord(1, entitlement(product, unit, day, other, slot), Usage()))
            for ticket_id, other in zip(ticket_ids, bound_to, strict=False)
        ]
    return issued


def entitlement(
    product: ProductSite, unit: str, day: date, companion_of: TicketId | None = None, slot: str | None = None
) -> Entitlement:
    """What a ticket of `product` that is bought for `day` allows."""
    season = product.season
    valid_on = day if season is None else max(day, season.begins)
    valid_until = day + timedelta(days=product.days - 1) if season is None else season.ends
    return Entitlement(
        product=product.code,
        unit=unit,
        valid_on=valid_on,
        entries=product.entries,
        lane_classes=tuple(product.lane_classes),
        valid_until=None if valid_until == valid_on else valid_until,
        days_of_use=product.days_of_use,
        blackout=tuple(product.blackout),
        hours=_hours(product.hours) if slot is None else _hours_from(product, slot),
        minutes=product.minutes,
        places=tuple(PlaceHours(covered.place, _hours(covered.hours)) for covered in product.places),
        party=product.party,
        companion_of=companion_of,
        media=product.media,
        attention=tuple(product.attention.get(unit, ())),
        passback=product.passback,
        slot=slot,
    )


def _hours_from(product: ProductSite, slot: str) -> Hours:
    """From the slot's start, with its grace, until the product's own hours end, or the day does."""
    grace_min = product.slots.grace_min if product.slots is not None else 0
    opens = time_of(text_of(max(0, minute_of(slot) - grace_min)))
    if product.hours is None:
        return Hours(opens, MIDNIGHT)
    return Hours(max(opens, product.hours.opens), product.hours.closes)


def _hours(hours: HoursSite | None) -> Hours | None:
    return None if hours is None else Hours(hours.opens, hours.closes)
