"""What OCTO answers look like: the structs of its wire, in its camelCase. Keys that may be null are always there.

Fields of a capability (`octo/pricing`, `octo/content`) are unset, and so absent, unless the partner asked for it. The
standard is https://docs.octo.travel; names and meanings follow the OpenAPI document of octotravel/octo-types.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

AvailabilityType = Literal["START_TIME", "OPENING_HOURS"]
AvailabilityStatus = Literal["AVAILABLE", "LIMITED", "SOLD_OUT", "CLOSED"]
BookingStatus = Literal["ON_HOLD", "CONFIRMED", "EXPIRED", "CANCELLED", "REDEEMED"]
Refund = Literal["FULL", "NONE"]
PRICING = "octo/pricing"
CONTENT = "octo/content"


class Word(msgspec.Struct, frozen=True, rename="camel"):
    """Base of every word."""


class Pricing(Word, frozen=True):
    """Minor units. `net` is what the partner is invoiced."""

    original: int
    retail: int
    net: int
    currency: str
    currency_precision: int = 2
    included_taxes: tuple[()] = ()


class UnitPricing(Pricing, frozen=True, kw_only=True):
    """The same for one unit."""

    unit_id: str


class SupplierContact(Word, frozen=True):
    """How partners reach the resort."""

    website: str | None
    email: str | None
    telephone: str | None
    address: str | None


class Supplier(Word, frozen=True):
    """The resort."""

    id: str
    name: str
    endpoint: str
    contact: SupplierContact
    short_description: str | UnsetType | None = UNSET
    media: tuple[()] | UnsetType = UNSET


class UnitRestrictions(Word, frozen=True):
    """Who may buy it: the resort goes by heights and cards at its gates, not by ages at the sale."""

    id_required: bool
    pax_count: int
    accompanied_by: tuple[str, ...]
    min_age: int = 0
    max_age: int = 120
    min_quantity: int | None = None
    max_quantity: int | None = None


class Unit(Word, frozen=True):
    """Who pays: adult, child."""

    id: str
    internal_name: str
    reference: str | None
    type: str
    restrictions: UnitRestrictions
    required_contact_fields: tuple[()] = ()
    pricing_from: tuple[Pricing, ...] | UnsetType = UNSET
    pricing: tuple[Pricing, ...] | UnsetType = UNSET
    title: str | UnsetType = UNSET
    short_description: str | UnsetType | None = UNSET
    features: tuple[()] | UnsetType = UNSET


class OptionRestrictions(Word, frozen=True):
    """How many units one booking may have."""

    min_units: int
    max_units: int


class Option(Word, frozen=True):
    """The one variant of each product."""

    id: str
    default: bool
    internal_name: str
    reference: str | None
    availability_local_start_times: tuple[str, ...]
    cancellation_cutoff: str
    cancellation_cutoff_amount: int
    cancellation_cutoff_unit: str
    required_contact_fields: tuple[()]
    restrictions: OptionRestrictions
    units: tuple[Unit, ...]
    title: str | UnsetType = UNSET
    short_description: str | UnsetType | None = UNSET


class Product(Word, frozen=True):
    """One thing that is sold."""

    id: str
    internal_name: str
    reference: str | None
    locale: str
    time_zone: str
    availability_type: AvailabilityType
    options: tuple[Option, ...]
    allow_freesale: bool = False
    instant_confirmation: bool = True
    instant_delivery: bool = True
    availability_required: bool = True
    delivery_formats: tuple[str, ...] = ("QRCODE",)
    delivery_methods: tuple[str, ...] = ("TICKET",)
    redemption_method: str = "DIGITAL"
    default_currency: str | UnsetType = UNSET
    available_currencies: tuple[str, ...] | UnsetType = UNSET
    pricing_per: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    short_description: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    features: tuple[()] | UnsetType = UNSET
    faqs: tuple[()] | UnsetType = UNSET
    media: tuple[()] | UnsetType = UNSET
    locations: tuple[()] | UnsetType = UNSET
    category_labels: tuple[str, ...] | UnsetType = UNSET
    commentary: tuple[()] | UnsetType = UNSET


class OpeningHours(msgspec.Struct, frozen=True, rename={"opens": "from", "closes": "to"}):
    """Local, HH:MM."""

    opens: str
    closes: str


class CalendarDay(Word, frozen=True):
    """One day of a product."""

    local_date: str
    available: bool
    status: AvailabilityStatus
    vacancies: int
    capacity: int
    opening_hours: tuple[OpeningHours, ...]
    unit_pricing_from: tuple[UnitPricing, ...] | UnsetType = UNSET
    pricing_from: Pricing | UnsetType = UNSET


class Availability(Word, frozen=True):
    """One start time of a timed product, or one day of any other."""

    id: str
    local_date_time_start: str
    local_date_time_end: str
    utc_cutoff_at: str
    all_day: bool
    available: bool
    status: AvailabilityStatus
    vacancies: int
    capacity: int
    max_units: int
    opening_hours: tuple[OpeningHours, ...]
    unit_pricing: tuple[UnitPricing, ...] | UnsetType = UNSET
    pricing: Pricing | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    short_description: str | UnsetType | None = UNSET


class Contact(Word, frozen=True):
    """Who the booking, or one unit of it, is for. Kept with the booking, in no log and no event."""

    full_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email_address: str | None = None
    phone_number: str | None = None
    locales: tuple[str, ...] = ()
    postal_code: str | None = None
    country: str | None = None
    notes: str | None = None


class DeliveryOption(Word, frozen=True):
    """How a ticket reaches its holder: the text of its QR code."""

    delivery_format: str
    delivery_value: str

    def __repr__(self) -> str:
        return f"DeliveryOption({self.delivery_format})"


class Ticket(Word, frozen=True):
    """One unit's ticket; without options while it is not confirmed, or no longer good."""

    utc_redeemed_at: str | None
    delivery_options: tuple[DeliveryOption, ...]
    redemption_method: str = "DIGITAL"


class UnitItem(Word, frozen=True):
    """One ticket of a booking."""

    uuid: str
    reseller_reference: str | None
    supplier_reference: str | None
    unit_id: str
    unit: Unit
    status: BookingStatus
    utc_redeemed_at: str | None
    contact: Contact
    ticket: Ticket
    pricing: Pricing | UnsetType = UNSET


class Cancellation(Word, frozen=True):
    """How a booking ended."""

    refund: Refund
    reason: str | None
    utc_cancelled_at: str


class Booking(Word, frozen=True):
    """One booking of a partner."""

    id: str
    uuid: str
    reseller_reference: str | None
    supplier_reference: str
    status: BookingStatus
    utc_created_at: str
    utc_updated_at: str
    utc_expires_at: str | None
    utc_redeemed_at: str | None
    utc_confirmed_at: str | None
    product_id: str
    product: Product
    option_id: str
    option: Option
    cancellable: bool
    cancellation: Cancellation | None
    availability_id: str
    availability: Availability
    contact: Contact
    notes: str | None
    unit_items: tuple[UnitItem, ...]
    test_mode: bool = False
    freesale: bool = False
    delivery_methods: tuple[str, ...] = ("TICKET",)
    voucher: None = None
    pricing: Pricing | UnsetType = UNSET


class Capability(Word, frozen=True):
    """One extension of the standard that can be asked for by the header Octo-Capabilities."""

    id: str
    revision: int = 1
    required: bool = False
    dependencies: tuple[str, ...] = ()
    docs: str | None = None


CAPABILITIES = (Capability(PRICING), Capability(CONTENT))
