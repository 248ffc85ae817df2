"""What a ticket allows (`Entitlement`), what was done with it (`Usage`), and both as a ledger holds them (`TicketRecord`).

Plain data: how events change usage is in `resort/access/usage.py`, what is decided on it in `resort/access/decision.py`.
"""

from datetime import date, datetime, time
from typing import Literal

import msgspec

from resort.ids import GateId, GrantId, LaneId, TicketId
from resort.site import Attention as Attention
from resort.site import LaneClass
from resort.site import Medium as Medium

TicketStatus = Literal["active", "blocked", "revoked", "refunded", "transferred"]


class Hours(msgspec.Struct, frozen=True):
    """Local hours of one day; `closes` at or before `opens` means past midnight, and counts for the day it began."""

    opens: time
    closes: time


class PlaceHours(msgspec.Struct, frozen=True, omit_defaults=True):
    """A gate, zone or lift (by its id in the site file) that a ticket covers, at certain hours of its own if any."""

    place: str
    hours: Hours | None = None


class Entitlement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fixed part: written when the ticket is issued; only `status` changes later. Days are local days at the site."""

    product: str
    unit: str
    valid_on: date  # the first day, and the only one without `valid_until`
    entries: int | None  # how often `party` persons may enter; None: as often as the rest allows
    lane_classes: tuple[LaneClass, ...]
    valid_until: date | None = None  # the last day
    days_of_use: int | None = None  # how many days of that span may be used (non-consecutive days); None: every one
    blackout: tuple[date, ...] = ()
    hours: Hours | None = None  # half-day, night session
    minutes: int | None = None  # runs from the first pass (计时票)
    places: tuple[PlaceHours, ...] = ()  # none: the whole site
    party: int = 1  # persons that one scan admits, rotation by rotation
    companion_of: TicketId | None = None  # passes only after the holder of that ticket did, at the same gate
    media: tuple[Medium, ...] = ("printed", "phone", "card")
    attention: tuple[Attention, ...] = ()
    passback: bool = True  # False: no anti-passback rule applies (staff)
    slot: str | None = None  # the start time it was sold for; from when it is admitted is in `hours`
    status: TicketStatus = "active"


class OpenUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """A grant that waits for its outcome: what the outcome will need to know."""

    grant_id: GrantId
    lane_id: LaneId
    gate_id: GateId
    zone: str
    lift: str
    day: date
    step: int = 0


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The changing part. Persons used count confirmed passages and grants whose outcome is unknown."""

    used: int = 0  # persons: a party of four that entered twice is eight
    unknown: int = 0  # how many of `used` are grants of unknown outcome
    open: OpenUse | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    last_gate: GateId | None = None
    last_step: int = 0  # step of the rotating code that was used last; it can't be used again
    days: tuple[date, ...] = ()  # distinct days of use, in order
    lifts: dict[str, datetime] = {}  # last pass by lift
    zone: str | None = None  # the zone the holder is in, as far as gates and exits tell

    @property
    def open_grant(self) -> GrantId | None:
        """The grant without outcome, if any."""
        return self.open.grant_id if self.open is not None else None

    @property
    def open_lane(self) -> LaneId | None:
        """The lane of the grant without outcome, if any."""
        return self.open.lane_id if self.open is not None else None


class TicketRecord(msgspec.Struct, frozen=True):
    """A ticket as the ledger holds it; `version` moves with every change."""

    version: int
    entitlement: Entitlement
    usage: Usage


def persons_allowed(allowed: Entitlement) -> int | None:
    """How many persons may enter on a ticket in all: entries times party; None where no number is set."""
    return None if allowed.entries is None else allowed.entries * allowed.party
