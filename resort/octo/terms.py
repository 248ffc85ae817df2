"""What a site agrees with its sales partners, and how partners reach it: settings of the site file."""

from typing import Annotated

import msgspec

from resort.errors import InvalidConfig

Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class PartnerSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The terms of one partner, who is known by the channel of his key."""

    net_percent: Percent = 100  # of the price for guests: what the partner is invoiced
    products: tuple[str, ...] = ()  # what he may sell; none: everything
    allotment: Annotated[int, msgspec.Meta(ge=1)] | None = None  # places he may hold and have sold in one cell at most
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 600  # calls; more are told to come back
    max_units: Annotated[int, msgspec.Meta(ge=1)] = 9  # in one booking
    hold_min: Annotated[int, msgspec.Meta(ge=1, le=1_440)] = 30  # how long an unconfirmed booking keeps its places
    hold_most_min: Annotated[int, msgspec.Meta(ge=1, le=10_080)] = 120  # and at most, when he asks for longer
    cancel_hours: Annotated[int, msgspec.Meta(ge=0, le=8_760)] = 1  # before it starts: later nothing is cancelled or changed


class SupplierSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who partners deal with."""

    id: str = "snowgate"
    endpoint: str = ""  # the address partners call; none: the one that was called
    website: str | None = None
    email: str | None = None
    telephone: str | None = None
    address: str | None = None


def check_partners(partners: dict[str, PartnerSite], products: set[str], max_units: int) -> None:
    """Raises InvalidConfig naming the first partner whose terms cannot hold."""
    for channel, terms in partners.items():
        place = f"partner {channel[:40]}"
        if not (0 < len(channel) <= 64 and channel.isascii() and channel.isprintable()):
            raise InvalidConfig("partners", "a partner goes by the channel of his key: up to 64 printable ASCII characters")
        unknown = sorted(set(terms.products) - products)
        if unknown:
            raise InvalidConfig(place, f"there is no product {unknown[0]}")
        if terms.max_units > max_units:
            raise InvalidConfig(place, f"max_units is at most {max_units} (sales_limits.max_units)")
        if terms.hold_most_min < terms.hold_min:
            raise InvalidConfig(place, "hold_most_min is not below hold_min")
