"""Start times: the grid of a day, when a slot is over, what may be asked for, and what its ticket allows."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec
import pytest

from resort.access.entitlement import Hours
from resort.access.issue import tickets_for
from resort.access.service_day import local_time, within
from resort.errors import Invalid, InvalidConfig
from resort.ids import SeededIds
from resort.pricing import by_shard, shard_of
from resort.site import HoursSite, ProductSite, SeasonSite
from resort.site_checks import check_site
from resort.slots import SlotsSite, cell_of, check_slot, ends_at, metered, product_of, starts_at
from sim.ticket_shop import TIMED, TODAY, shop_site

ZONE = ZoneInfo("Asia/Shanghai")
SLOTS = SlotsSite("09:00", "11:00", 30, places=4, none=("10:00",), grace_min=10)


def at(clock: str, day: date = TODAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=ZONE).astimezone(UTC)


def test_a_day_has_every_start_from_the_first_to_the_last() -> None:
    assert SLOTS.starts() == ["09:00", "09:30", "10:00", "10:30", "11:00"]
    assert [SLOTS.places_of(slot) for slot in SLOTS.starts()] == [4, 4, 0, 4, 4]


def test_a_slot_is_an_instant_and_is_over_when_the_next_could_start() -> None:
    assert starts_at(TODAY, "09:30", ZONE) == datetime(2026, 12, 1, 1, 30, tzinfo=UTC)
    assert ends_at(SLOTS, TODAY, "09:30", ZONE) == datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
    check_slot("p", SLOTS, "09:30", TODAY, at("09:59:59"), ZONE)
    with pytest.raises(Invalid, match="is over"):
        check_slot("p", SLOTS, "09:30", TODAY, at("10:00"), ZONE)


@pytest.mark.parametrize(
    ("slots", "slot", "says"),
    [
        (SLOTS, None, "say one"),
        (SLOTS, "09:15", "no start time"),
        (SLOTS, "11:30", "no start time"),
        (None, "09:00", "leave it out"),
    ],
)
def test_what_cannot_be_asked_for(slots: SlotsSite | None, slot: str | None, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        check_slot("p", slots, slot, TODAY, at("08:00"), ZONE)
    assert refused.value.field == "slot"


def test_a_product_without_slots_needs_none() -> None:
    check_slot("p", None, None, TODAY, at("08:00"), ZONE)


def test_a_cell_says_product_and_slot_both_ways() -> None:
    assert cell_of("p", None) == "p"
    assert cell_of("p", "09:30") == "p@09:30"
    assert product_of("p") == ("p", None)
    assert product_of("p@09:30") == ("p", "09:30")


def test_a_meter_stays_below_the_sites_own_places() -> None:
    assert metered("p", SLOTS, {"09:00": 2, "09:30": 40, "10:00": 3}) == {"09:00": 2, "09:30": 4, "10:00": 0}
    for slots, places in ((None, {"09:00": 1}), (SLOTS, {"09:15": 1}), (SLOTS, {"09:00": -1})):
        with pytest.raises(Invalid):
            metered("p", slots, places)


def test_numbers_by_slot_go_to_the_owners_of_their_cells() -> None:
    wished = {slot: 3 for slot in SLOTS.starts()}
    parted = by_shard("p", TODAY, wished, 3)
    assert {slot: number for part in parted.values() for slot, number in part.items()} == wished
    assert len(parted) > 1
    assert all(shard_of(cell_of("p", slot), TODAY, 3) == shard for shard, part in parted.items() for slot in part)


def hours_of(product: ProductSite, slot: str) -> Hours:
    ((_, record),) = tickets_for(product, TODAY, {"adult": 1}, SeededIds("t"), slot)
    assert record.entitlement.slot == slot
    assert record.entitlement.hours is not None
    return record.entitlement.hours


def timed(**changes: object) -> ProductSite:
    product = shop_site().product(TIMED)
    assert product is not None
    return msgspec.structs.replace(product, **changes)


def test_a_ticket_is_good_from_its_slot_less_the_grace() -> None:
    day = timed(slots=SLOTS, hours=None)
    hours = hours_of(day, "09:30")
    assert hours == Hours(time(9, 20), time(0))
    seen = [within(hours, local_time(at(clock), ZONE)) for clock in ("09:19:59", "09:20", "23:59:59")]
    assert seen == [False, True, True]
    assert not within(hours, local_time(at("00:10", date(2026, 12, 2)), ZONE, time(5)))


def test_a_ticket_keeps_to_its_products_own_hours() -> None:
    day = timed(slots=SLOTS, hours=HoursSite(time(8, 55), time(16)))
    assert hours_of(day, "09:00") == Hours(time(8, 55), time(16))
    assert hours_of(day, "11:00") == Hours(time(10, 50), time(16))
    assert hours_of(timed(slots=SlotsSite("00:00", "00:30", 30, 5, grace_min=60), hours=None), "00:30").opens == time(0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"code": "a@b"}, "@"),
        ({"quota_per_day": 5}, "either quota_per_day"),
        ({"slots": None}, "either quota_per_day"),
        ({"days": 2}, "one day"),
        ({"season": SeasonSite(TODAY, TODAY)}, "no season"),
        ({"slots": SlotsSite("11:00", "09:00", 30, 5)}, "before the first"),
        ({"slots": SlotsSite("09:00", "10:40", 30, 5)}, "never comes to 10:40"),
        ({"slots": SlotsSite("09:00", "11:00", 30, 5, none=("09:10",))}, "09:10"),
        ({"hours": HoursSite(time(9, 30), time(16))}, "09:00 is outside"),
        ({"hours": HoursSite(time(8), time(11))}, "11:00 is outside"),
    ],
)
def test_a_site_file_is_refused_in_one_sentence(changes: dict[str, object], says: str) -> None:
    site = shop_site()
    product = timed(**({"slots": SLOTS} | changes))
    with pytest.raises(InvalidConfig, match=says):
        check_site(msgspec.structs.replace(site, products=[product]))


def test_hours_past_midnight_take_late_slots_and_a_day_that_begins_later_no_early_ones() -> None:
    site = shop_site()
    late = timed(slots=SlotsSite("17:30", "23:30", 60, 5), hours=HoursSite(time(17), time(0)))
    check_site(msgspec.structs.replace(site, products=[late]))
    early = timed(slots=SlotsSite("04:00", "09:00", 60, 5), hours=None)
    admission = msgspec.structs.replace(site.admission, day_begins=time(5))
    with pytest.raises(InvalidConfig, match="04:00 is before the day begins"):
        check_site(msgspec.structs.replace(site, products=[early], admission=admission))
