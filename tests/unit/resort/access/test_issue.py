"""From a product to what its tickets allow."""

from datetime import date, time

import msgspec
import pytest

from resort.access.entitlement import Hours, PlaceHours
from resort.access.issue import entitlement, tickets_for
from resort.errors import Invalid
from resort.ids import SeededIds
from resort.pricing import QuoteRequest, check_request
from resort.site import ProductSite, Site

DAY = date(2026, 12, 12)


def product(site: Site, code: str) -> ProductSite:
    found = site.product(code)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("code", "day", "expected"),
    [
        ("single", DAY, {"entries": 1, "valid_until": None, "attention": ()}),
        ("half-day", DAY, {"entries": None, "hours": Hours(time(12, 30), time(17)), "attention": ()}),
        ("night", DAY, {"hours": Hours(time(17, 30), time(0, 30)), "places": (PlaceHours("base"),)}),
        ("hours-2", DAY, {"minutes": 120, "entries": None}),
        ("days-3", DAY, {"valid_on": DAY, "valid_until": date(2026, 12, 14), "lane_classes": ("standard", "fast")}),
        ("days-4-of-10", DAY, {"valid_until": date(2026, 12, 21), "days_of_use": 4}),
        ("season", DAY, {"valid_on": DAY, "valid_until": date(2027, 4, 5), "attention": ("photo",)}),
        ("season", date(2026, 11, 1), {"valid_on": date(2026, 11, 15), "valid_until": date(2027, 4, 5)}),
        ("group-6", DAY, {"party": 6, "entries": 1}),
    ],
)
def test_what_a_ticket_allows(demo_site: Site, code: str, day: date, expected: dict[str, object]) -> None:
    sold = product(demo_site, code)
    allowed = msgspec.structs.asdict(entitlement(sold, sold.units[0].unit, day))
    assert {name: allowed[name] for name in expected} == expected
    assert (allowed["product"], allowed["status"], allowed["passback"]) == (code, "active", True)


def test_staff_look_at_a_childs_height(demo_site: Site) -> None:
    assert entitlement(product(demo_site, "half-day"), "child", DAY).attention == ("photo", "height")


def test_each_companion_is_bound_to_a_child_of_its_own(demo_site: Site) -> None:
    issued = tickets_for(product(demo_site, "family"), DAY, {"companion": 2, "child": 3}, SeededIds("family"))
    children = [ticket_id for ticket_id, record in issued if record.entitlement.unit == "child"]
    bound = [record.entitlement.companion_of for _, record in issued if record.entitlement.unit == "companion"]
    assert bound == children[:2]
    assert len({ticket_id for ticket_id, _ in issued}) == 5
    assert all(record.entitlement.companion_of is None for _, record in issued if record.entitlement.unit == "child")


@pytest.mark.parametrize(
    ("code", "day", "units", "field"),
    [
        ("family", DAY, {"companion": 2, "child": 1}, "units"),
        ("family", DAY, {"companion": 1}, "units"),
        ("season", date(2027, 4, 6), {"adult": 1}, "day"),
    ],
)
def test_what_could_not_be_used_is_not_sold(demo_site: Site, code: str, day: date, units: dict[str, int], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_request(QuoteRequest(code, day, units), product(demo_site, code), DAY, demo_site.sales_limits)
    assert caught.value.field == field
