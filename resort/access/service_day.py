"""Which day and hour it is at the site, for tickets: a night session past midnight belongs to the day it began. Pure.

The only place that turns wall time into a ticket's day; the journal keeps UTC.
"""

from datetime import date, datetime, time, timedelta, tzinfo

import msgspec

from resort.access.entitlement import Hours
from resort.site import Site

MIDNIGHT = time(0)
_DAY = timedelta(days=1)


class LocalTime(msgspec.Struct, frozen=True, gc=False):
    """An instant as tickets see it: the service day, and the clock on the wall."""

    day: date
    clock: time
    late: bool = False  # the clock has passed midnight since the service day began


def local_time(at: datetime, zone: tzinfo, day_begins: time = MIDNIGHT) -> LocalTime:
    """The service day and clock at `at` (aware) where the day begins at `day_begins`."""
    local = at.astimezone(zone)
    clock = local.time()
    if clock < day_begins:
        return LocalTime((local - _DAY).date(), clock, late=True)
    return LocalTime(local.date(), clock)


def service_day(at: datetime, zone: tzinfo, day_begins: time = MIDNIGHT) -> date:
    """The day that a ticket shown at `at` (aware) is used on."""
    return local_time(at, zone, day_begins).day


def site_day(at: datetime, site: Site) -> date:
    """The day that is under way at `at` (aware): what is sold as today, shown today and counted today."""
    return service_day(at, site.zone, site.admission.day_begins)


def within(hours: Hours, local: LocalTime) -> bool:
    """Whether it is within `hours`: from the minute they open until just before they close."""
    over_midnight = hours.closes <= hours.opens
    if local.late:
        return over_midnight and local.clock < hours.closes
    return local.clock >= hours.opens and (over_midnight or local.clock < hours.closes)
