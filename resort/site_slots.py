"""Whether the start times of a timed product make sense, as far as types alone cannot tell. Pure."""

from datetime import time

from resort.errors import InvalidConfig
from resort.site import HoursSite, ProductSite
from resort.slots import SlotsSite, minute_of, time_of


def check_slots(place: str, product: ProductSite, day_begins: time) -> None:
    """Check the places and the start times of a product. Raises InvalidConfig naming what is wrong."""
    if "@" in product.code:
        raise InvalidConfig(place, "its code must not hold an @, which parts a product from a start time")
    slots = product.slots
    if (slots is None) == (product.quota_per_day is None):
        raise InvalidConfig(place, "needs either quota_per_day, or slots with their places")
    if slots is None:
        return
    if product.season is not None or product.days != 1:
        raise InvalidConfig(place, "is sold by start time, so it is for one day and no season")
    _check_grid(place, slots)
    for slot in slots.starts():
        if time_of(slot) < day_begins:
            raise InvalidConfig(place, f"its start time {slot} is before the day begins at {day_begins:%H:%M}")
        if product.hours is not None and not _starts_within(slot, product.hours):
            raise InvalidConfig(place, f"its start time {slot} is outside its own hours")


def _check_grid(place: str, slots: SlotsSite) -> None:
    length = minute_of(slots.last) - minute_of(slots.first)
    if length < 0:
        raise InvalidConfig(place, f"its last start time {slots.last} is before the first, {slots.first}")
    if length % slots.every_min:
        raise InvalidConfig(place, f"every {slots.every_min} minutes from {slots.first} never comes to {slots.last}")
    strange = sorted(set(slots.none) - set(slots.starts()))
    if strange:
        raise InvalidConfig(place, f"{strange[0]} is said to have no places, and is no start time")


def _starts_within(slot: str, hours: HoursSite) -> bool:
    over_midnight = hours.closes <= hours.opens
    return time_of(slot) >= hours.opens and (over_midnight or time_of(slot) < hours.closes)
