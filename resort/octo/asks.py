"""What partners send, as OCTO says. Unknown fields are no error here: partners send those of capabilities we lack.

Ids are texts that may be missing, because a missing one has an error of its own in the standard.
"""

from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

MOST_ITEMS = 1_000

Short = Annotated[str, msgspec.Meta(max_length=200)]
Long = Annotated[str, msgspec.Meta(max_length=2_000)]
Minutes = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class Ask(msgspec.Struct, frozen=True, rename="camel"):
    """Base of every body."""


class UnitsAsk(Ask, frozen=True):
    """For how many of a unit availability is asked."""

    id: Short | None = None
    quantity: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0


class CalendarAsk(Ask, frozen=True):
    """Which days of a product."""

    product_id: Short | None = None
    option_id: Short | None = None
    local_date_start: date | None = None
    local_date_end: date | None = None
    units: Annotated[list[UnitsAsk], msgspec.Meta(max_length=50)] = []
    currency: Short | None = None


class AvailabilityAsk(CalendarAsk, frozen=True):
    """Which days or start times of a product, by day or by id."""

    local_date: date | None = None
    availability_ids: Annotated[list[Short], msgspec.Meta(max_length=MOST_ITEMS)] | None = None


class ContactAsk(Ask, frozen=True):
    """What is to be known of somebody; what is not sent stays as it was."""

    full_name: Short | UnsetType | None = UNSET
    first_name: Short | UnsetType | None = UNSET
    last_name: Short | UnsetType | None = UNSET
    email_address: Short | UnsetType | None = UNSET
    phone_number: Short | UnsetType | None = UNSET
    locales: Annotated[list[Short], msgspec.Meta(max_length=20)] | UnsetType | None = UNSET
    postal_code: Short | UnsetType | None = UNSET
    country: Short | UnsetType | None = UNSET
    notes: Long | UnsetType | None = UNSET


class UnitItemAsk(Ask, frozen=True):
    """One ticket that is wanted."""

    unit_id: Short | None = None
    uuid: Short | None = None
    reseller_reference: Short | None = None
    contact: ContactAsk | None = None


class BookingAsk(Ask, frozen=True):
    """A new booking, or what is to change in one; confirming takes the same fields."""

    uuid: Short | None = None
    product_id: Short | None = None
    option_id: Short | None = None
    availability_id: Short | None = None
    expiration_minutes: Minutes | None = None
    notes: Long | UnsetType | None = UNSET
    unit_items: Annotated[list[UnitItemAsk], msgspec.Meta(max_length=MOST_ITEMS)] | None = None
    reseller_reference: Short | None = None
    contact: ContactAsk | None = None
    currency: Short | None = None


class ExtendAsk(Ask, frozen=True):
    """How long from now a booking is to be held."""

    expiration_minutes: Minutes | None = None


class CancelAsk(Ask, frozen=True):
    """Why a booking is given up."""

    reason: Long | None = None


class ListAsk(Ask, frozen=True):
    """Which bookings: by one of their references, or by day."""

    reseller_reference: Short | None = None
    supplier_reference: Short | None = None
    local_date: date | None = None
    local_date_start: date | None = None
    local_date_end: date | None = None
