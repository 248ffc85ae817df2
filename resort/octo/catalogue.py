"""The site's products, days and start times in OCTO's words. Pure: what is left in a cell is an argument.

A timed product is START_TIME there, any other one OPENING_HOURS with one availability a day. Each has one option, DEFAULT.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import msgspec
from msgspec import UNSET, UnsetType

from resort.octo.terms import PartnerSite
from resort.octo.words import (
    CONTENT,
    PRICING,
    Availability,
    AvailabilityStatus,
    CalendarDay,
    OpeningHours,
    Option,
    OptionRestrictions,
    Pricing,
    Product,
    Unit,
    UnitPricing,
    UnitRestrictions,
)
from resort.pricing import day_kind, unit_price
from resort.site import DayKind, HoursSite, ProductSite, Site
from resort.slots import ends_at, starts_at, time_of
from resort.texts import Text

OPTION = "DEFAULT"
LANGUAGES = ("en", "zh")
UNIT_TYPES = {name: name.upper() for name in ("adult", "youth", "child", "infant", "family", "senior", "student", "military")}
UNIT_TITLES = {
    "adult": Text("成人", "Adult"),
    "child": Text("儿童", "Child"),
    "student": Text("学生", "Student"),
    "senior": Text("长者", "Senior"),
    "companion": Text("陪同", "Companion"),
    "group": Text("团队", "Group"),
}
SEEN_AT_THE_GATE = ("age_proof", "student_card")  # what staff look at that is a card or document
WHOLE_DAY = HoursSite(time(0), time(23, 59))
PRECISION = 2  # decimal places of the minor unit
KINDS: tuple[DayKind, ...] = ("weekday", "weekend", "holiday")


class Ears(msgspec.Struct, frozen=True):
    """In what way a partner wants to be answered: the capabilities he asked for, and the language."""

    capabilities: frozenset[str] = frozenset()
    language: str = "en"

    @property
    def pricing(self) -> bool:
        """Whether prices are told."""
        return PRICING in self.capabilities

    def text(self, text: Text) -> str:
        """A text in the language, if content is told at all."""
        return text.zh if self.language == "zh" else text.en

    def content(self, text: Text) -> str | UnsetType:
        """The same, or nothing where content was not asked for."""
        return self.text(text) if CONTENT in self.capabilities else UNSET


def utc(at: datetime) -> str:
    """UTC to the second, as the standard writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def availability_id(day: date, slot: str | None, site: Site) -> str:
    """The id of a day or start time: its local start with the offset."""
    return datetime.combine(day, time_of(slot) if slot else time(0), tzinfo=site.zone).isoformat(timespec="seconds")


def parse_availability_id(text: str, product: ProductSite, site: Site) -> tuple[date, str | None] | None:
    """The day and slot of an id of this product; None: it is none. Whether that day is on sale is another question."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        return None
    local = at.astimezone(site.zone)
    slot = f"{local:%H:%M}"
    if (local.second, local.microsecond) != (0, 0):
        return None
    if product.slots is not None:
        return (local.date(), slot) if slot in product.slots.starts() else None
    return (local.date(), None) if slot == "00:00" else None


def sold_by(terms: PartnerSite, site: Site) -> list[ProductSite]:
    """What the partner may sell, in the site file's order."""
    return [product for product in site.products if not terms.products or product.code in terms.products]


def most_units(terms: PartnerSite, site: Site) -> int:
    """How many units one booking may have."""
    return min(terms.max_units, site.sales_limits.max_units)


def net(minor: int, net_percent: int) -> int:
    """The partner's share of a price, rounded half up."""
    return (minor * net_percent + 50) // 100


def pricing_of(minor: int, net_percent: int, site: Site) -> Pricing:
    """One price."""
    return Pricing(minor, minor, net(minor, net_percent), site.tariff.currency, PRECISION)


def product_word(product: ProductSite, terms: PartnerSite, site: Site, ears: Ears) -> Product:
    """The product with its option and units."""
    currency = site.tariff.currency
    word = Product(
        id=product.code,
        internal_name=product.name.en,
        reference=product.code,
        locale=ears.language,
        time_zone=site.timezone,
        availability_type="OPENING_HOURS" if product.slots is None else "START_TIME",
        options=(option_word(product, terms, site, ears),),
        default_currency=currency if ears.pricing else UNSET,
        available_currencies=(currency,) if ears.pricing else UNSET,
        pricing_per="UNIT" if ears.pricing else UNSET,
    )
    if CONTENT not in ears.capabilities:
        return word
    return msgspec.structs.replace(
        word,
        title=ears.text(product.name),
        short_description=None,
        description=None,
        features=(),
        faqs=(),
        media=(),
        locations=(),
        category_labels=("sports",),
        commentary=(),
    )


def option_word(product: ProductSite, terms: PartnerSite, site: Site, ears: Ears) -> Option:
    """The one option."""
    return Option(
        id=OPTION,
        default=True,
        internal_name=product.name.en,
        reference=None,
        availability_local_start_times=tuple(product.slots.starts()) if product.slots is not None else (),
        cancellation_cutoff=f"{terms.cancel_hours} hour{'s' * (terms.cancel_hours != 1)}",
        cancellation_cutoff_amount=terms.cancel_hours,
        cancellation_cutoff_unit="hour",
        required_contact_fields=(),
        restrictions=OptionRestrictions(1, most_units(terms, site)),
        units=tuple(unit_word(product, price.unit, terms, site, ears) for price in product.units),
        title=ears.content(product.name),
        short_description=None if CONTENT in ears.capabilities else UNSET,
    )


def unit_word(product: ProductSite, unit: str, terms: PartnerSite, site: Site, ears: Ears) -> Unit:
    """One unit, with its lowest price where prices are told."""
    lowest = min(unit_price(product, unit, kind) for kind in KINDS)
    title = UNIT_TITLES.get(unit, Text(unit, unit.capitalize()))
    content = CONTENT in ears.capabilities
    return Unit(
        id=unit,
        internal_name=title.en,
        reference=unit,
        type=UNIT_TYPES.get(unit, "OTHER"),
        restrictions=UnitRestrictions(
            id_required=any(seen in SEEN_AT_THE_GATE for seen in product.attention.get(unit, ())),
            pax_count=product.party,
            accompanied_by=(product.companions[unit],) if unit in product.companions else (),
        ),
        pricing_from=(pricing_of(lowest, terms.net_percent, site),) if ears.pricing else UNSET,
        title=ears.content(title),
        short_description=None if content else UNSET,
        features=() if content else UNSET,
    )


def is_sold_on(product: ProductSite, day: date, today: date, site: Site) -> bool:
    """Whether tickets for that day can be bought at all."""
    if not today <= day <= today + timedelta(days=site.sales_limits.horizon_days):
        return False
    if product.season is not None:
        return day <= product.season.ends
    return product.days != 1 or day not in product.blackout


def cutoff(product: ProductSite, day: date, slot: str | None, site: Site) -> datetime:
    """Until when that day or start time is sold."""
    if product.slots is not None and slot is not None:
        return ends_at(product.slots, day, slot, site.zone)
    if product.hours is None:
        return _local(day + timedelta(days=1), time(0), site)
    late = product.hours.closes <= product.hours.opens
    return _local(day + timedelta(days=1) if late else day, product.hours.closes, site)


def begins(product: ProductSite, day: date, slot: str | None, site: Site) -> datetime:
    """When it begins, from which the time to cancel is counted back."""
    if slot is not None:
        return starts_at(day, slot, site.zone)
    return _local(day, opening_hours(product, site).opens, site)


def opening_hours(product: ProductSite, site: Site) -> HoursSite:
    """The product's own hours, or else those of the gates, or else the whole day."""
    if product.hours is not None:
        return product.hours
    gates = [gate.hours for gate in site.gates if gate.hours is not None]
    if not gates:
        return WHOLE_DAY
    return HoursSite(min(hours.opens for hours in gates), max(hours.closes for hours in gates))


class Left(msgspec.Struct, frozen=True):
    """What a partner can have of one cell: of so many places, so many are left for him."""

    vacancies: int
    capacity: int

    def status(self, over: bool) -> AvailabilityStatus:
        """In the standard's words: LIMITED is less than half."""
        if over:
            return "CLOSED"
        if self.vacancies == 0:
            return "SOLD_OUT"
        return "LIMITED" if self.vacancies * 2 < self.capacity else "AVAILABLE"


def availability_word(
    product: ProductSite,
    day: date,
    slot: str | None,
    left: Left,
    units: Mapping[str, int],
    terms: PartnerSite,
    site: Site,
    now: datetime,
    ears: Ears,
) -> Availability:
    """One day or start time; `units` are how many the partner has in mind, if he said."""
    over = now >= cutoff(product, day, slot, site)
    wanted = max(1, sum(units.values()))
    vacancies = 0 if over else left.vacancies
    text_id = availability_id(day, slot, site)
    if product.slots is not None and slot is not None:
        end = ends_at(product.slots, day, slot, site.zone).astimezone(site.zone)
    else:
        end = datetime.combine(day + timedelta(days=1), time(0), tzinfo=site.zone)
    return Availability(
        id=text_id,
        local_date_time_start=text_id,
        local_date_time_end=end.isoformat(timespec="seconds"),
        utc_cutoff_at=utc(cutoff(product, day, slot, site)),
        all_day=slot is None,
        available=vacancies >= wanted and wanted <= most_units(terms, site),
        status=left.status(over),
        vacancies=vacancies,
        capacity=left.capacity,
        max_units=most_units(terms, site),
        opening_hours=_hours_word(product, site) if slot is None else (),
        unit_pricing=unit_prices(product, day, terms, site) if ears.pricing else UNSET,
        pricing=price_of(product, day, units, terms, site) if ears.pricing and units else UNSET,
        title=ears.content(product.name),
        short_description=None if CONTENT in ears.capabilities else UNSET,
    )


def calendar_word(
    product: ProductSite, day: date, slots: Mapping[str | None, Left], units: Mapping[str, int],
    terms: PartnerSite, site: Site, now: datetime, ears: Ears,
) -> CalendarDay:  # fmt: skip
    """One day: its start times together, or the day itself. Those that are over do not count."""
    open_slots = [left for slot, left in slots.items() if now < cutoff(product, day, slot, site)]
    together = Left(sum(left.vacancies for left in open_slots), sum(left.capacity for left in open_slots))
    wanted = max(1, sum(units.values()))
    fits = any(left.vacancies >= wanted for left in open_slots) and wanted <= most_units(terms, site)
    return CalendarDay(
        local_date=day.isoformat(),
        available=fits,
        status=together.status(not open_slots),
        vacancies=together.vacancies,
        capacity=together.capacity,
        opening_hours=_hours_word(product, site) if product.slots is None else (),
        unit_pricing_from=unit_prices(product, day, terms, site) if ears.pricing else UNSET,
        pricing_from=price_of(product, day, units, terms, site) if ears.pricing and units else UNSET,
    )


def unit_prices(product: ProductSite, day: date, terms: PartnerSite, site: Site) -> tuple[UnitPricing, ...]:
    """What each unit pays that day."""
    kind, currency = day_kind(day, site.tariff), site.tariff.currency
    prices = [(price.unit, unit_price(product, price.unit, kind)) for price in product.units]
    return tuple(
        UnitPricing(minor, minor, net(minor, terms.net_percent), currency, PRECISION, unit_id=unit) for unit, minor in prices
    )


def price_of(product: ProductSite, day: date, units: Mapping[str, int], terms: PartnerSite, site: Site) -> Pricing:
    """What these units pay together; the partner's share is the sum of theirs, not a share of the sum."""
    kind = day_kind(day, site.tariff)
    prices = [(unit_price(product, unit, kind), number) for unit, number in units.items()]
    total = sum(minor * number for minor, number in prices)
    share = sum(net(minor, terms.net_percent) * number for minor, number in prices)
    return Pricing(total, total, share, site.tariff.currency, PRECISION)


def _hours_word(product: ProductSite, site: Site) -> tuple[OpeningHours, ...]:
    hours = opening_hours(product, site)
    return (OpeningHours(f"{hours.opens:%H:%M}", f"{hours.closes:%H:%M}"),)


def _local(day: date, clock: time, site: Site) -> datetime:
    return datetime.combine(day, clock, tzinfo=site.zone).astimezone(UTC)
