"""Start times of a timed product: what they are, which cell of the inventory each one is, and until when each is sold. Pure.

A slot goes by its local start time as text, `10:30`, in the site file, in cells, in quotes and on tickets alike.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated

import msgspec

from resort.errors import Invalid

SlotTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](?![\s\S])")]


class SlotsSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `first` to `last` every `every_min` minutes, local; each with `places` tickets a day."""

    first: SlotTime
    last: SlotTime
    every_min: Annotated[int, msgspec.Meta(ge=5, le=720)]
    places: Annotated[int, msgspec.Meta(ge=1)]  # tickets of one slot; what is metered stays below
    none: tuple[SlotTime, ...] = ()  # slots with no places at all: shown, and sold out
    grace_min: Annotated[int, msgspec.Meta(ge=0, le=720)] = 0  # how long before its start a ticket is admitted

    def starts(self) -> list[str]:
        """Every slot of a day, in order."""
        return [text_of(minute) for minute in range(minute_of(self.first), minute_of(self.last) + 1, self.every_min)]

    def places_of(self, slot: str) -> int:
        """The places that the site gives this slot."""
        return 0 if slot in self.none else self.places


def minute_of(slot: str) -> int:
    """Minutes after midnight."""
    return int(slot[:2]) * 60 + int(slot[3:])


def text_of(minute: int) -> str:
    """The slot that starts so many minutes after midnight."""
    return f"{minute // 60:02}:{minute % 60:02}"


def time_of(slot: str) -> time:
    """The slot on a clock."""
    return time(int(slot[:2]), int(slot[3:]))


def cell_of(product: str, slot: str | None) -> str:
    """The name under which the inventory counts the places of a product, or of one slot of it."""
    return product if slot is None else f"{product}@{slot}"


def product_of(cell: str) -> tuple[str, str | None]:
    """The product and the slot of a cell: codes of products hold no @."""
    product, _, slot = cell.partition("@")
    return product, slot or None


def starts_at(day: date, slot: str, zone: tzinfo) -> datetime:
    """When the slot starts."""
    return datetime.combine(day, time_of(slot), tzinfo=zone).astimezone(UTC)


def ends_at(slots: SlotsSite, day: date, slot: str, zone: tzinfo) -> datetime:
    """When the next one could start: from then on this one is over, and no longer sold."""
    return starts_at(day, slot, zone) + timedelta(minutes=slots.every_min)


def check_slot(product: str, slots: SlotsSite | None, slot: str | None, day: date, now: datetime, zone: tzinfo) -> None:
    """See that this slot of this product can be asked for. Raises Invalid: missing, unknown, over, or of no timed product."""
    if slots is None:
        if slot is not None:
            raise Invalid("slot", f"{product} has no start times; leave it out")
        return
    hint = f"{slots.first} to {slots.last}, every {slots.every_min} minutes"
    if slot is None:
        raise Invalid("slot", f"{product} is sold by start time; say one ({hint})")
    if slot not in slots.starts():
        raise Invalid("slot", f"{slot} is no start time of {product} ({hint})")
    if now >= ends_at(slots, day, slot, zone):
        raise Invalid("slot", f"{slot} on {day} is over; choose a later one")


def metered(product: str, slots: SlotsSite | None, places: Mapping[str, int]) -> dict[str, int]:
    """What each slot may sell in all: what is wished for, and at most the site's own places. Raises Invalid."""
    if slots is None:
        raise Invalid("slot", f"{product} has no start times to be metered")
    starts = slots.starts()
    for slot, wished in places.items():
        if slot not in starts:
            raise Invalid("slot", f"{slot} is no start time of {product}")
        if wished < 0:
            raise Invalid("places", f"{slot} cannot have fewer than no places")
    return {slot: min(wished, slots.places_of(slot)) for slot, wished in places.items()}
