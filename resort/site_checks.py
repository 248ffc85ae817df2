"""Whether a site file makes sense, as far as types alone cannot tell. Pure."""

import re
from datetime import time
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import msgspec

from resort.errors import InvalidConfig
from resort.octo.terms import check_partners
from resort.site import HoursSite, ProductSite, Site, WebhookSite
from resort.site_faces import check_faces
from resort.site_slots import check_slots
from resort.site_sounds import check_sounds

SENSOR_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def check_site(site: Site) -> Site:
    """Check what types alone cannot; returns the same site. Raises InvalidConfig naming the first place that is wrong."""
    if site.timezone not in available_timezones():
        raise InvalidConfig("timezone", f"{site.timezone} is not a known time zone")
    _check_unique("gates.id", [gate.id for gate in site.gates])
    _check_unique("gates.lanes.id", [lane.id for _, lane in site.lanes()])
    _check_unique("products.code", [product.code for product in site.products])
    _check_unique("zones.id", [zone.id for zone in site.zones])
    _check_admission(site)
    if not site.lanes():
        raise InvalidConfig("gates", "a site needs at least one lane")
    for _, lane in site.lanes():
        if not 0 <= lane.turnstile.unit <= 255:
            raise InvalidConfig(f"lane {lane.id}", "a Modbus unit is 0 to 255")
    places = [(lane.turnstile.bus, lane.turnstile.unit) for _, lane in site.lanes() if lane.turnstile.bus != "simulated"]
    _check_unique("turnstile bus and unit", [f"{bus} unit {unit}" for bus, unit in places])
    for product in site.products:
        _check_product(site, product)
    for name in ("pricing_shards", "lanes_per_actor"):
        if getattr(site.runtime, name) < 1:
            raise InvalidConfig(f"runtime.{name}", "must be at least 1")
    _check_alarms(site)
    _check_people(site)
    _check_crowd(site)
    _check_areas(site)
    _check_heights(site)
    _check_reversible(site)
    check_partners(site.partners, {product.code for product in site.products}, site.sales_limits.max_units)
    check_sounds(site)
    check_faces(site)
    return site


def _check_people(site: Site) -> None:
    for name, sensor in site.people.items():
        if not SENSOR_NAME.fullmatch(name):
            raise InvalidConfig("people", f"{name[:40]!r} is no name of up to 40 letters a to z, digits and dashes")
        if sensor.gate and sensor.gate not in {gate.id for gate in site.gates}:
            raise InvalidConfig(f"people sensor {name}", f"there is no gate {sensor.gate}")


def _check_crowd(site: Site) -> None:
    gates = {gate.id for gate in site.gates}
    _check_unique("crowd.signs.id", [sign.id for sign in site.crowd.signs])
    for sign in site.crowd.signs:
        if not sign.walk_s or set(sign.walk_s) - gates:
            raise InvalidConfig(f"sign {sign.id}", "needs the walks to gates of this site")
        if sign.sensor and sign.sensor not in site.people:
            raise InvalidConfig(f"sign {sign.id}", f"there is no people sensor {sign.sensor}")
        if sign.display and not _is_tcp(sign.display):
            raise InvalidConfig(f"sign {sign.id}", "its display needs an address such as tcp://192.168.10.61:2300")


def _check_areas(site: Site) -> None:
    _check_unique("crowd.areas.id", [area.id for area in site.crowd.areas])
    for area in site.crowd.areas:
        place = f"area {area.id[:40]}"
        if not SENSOR_NAME.fullmatch(area.id):
            raise InvalidConfig(place, "its id is up to 40 letters a to z, digits and dashes")
        if not area.sensors and not area.gates:
            raise InvalidConfig(place, "needs people sensors at its doors, or gates before which its guests stand")
        if set(area.sensors) - set(site.people):
            raise InvalidConfig(place, f"there is no people sensor {min(set(area.sensors) - set(site.people))}")
        if set(area.gates) - {gate.id for gate in site.gates}:
            raise InvalidConfig(place, f"there is no gate {min(set(area.gates) - {gate.id for gate in site.gates})}")


def _check_heights(site: Site) -> None:
    for _, lane in site.lanes():
        if lane.height and lane.direction == "exit":
            raise InvalidConfig(f"lane {lane.id}", "has a height sensor, and it is an exit, where nobody is looked at")
        if lane.height and not _is_tcp(lane.height):
            raise InvalidConfig(f"lane {lane.id}", "its height sensor needs an address such as tcp://192.168.10.31:2001")


def _check_reversible(site: Site) -> None:
    for gate in site.gates:
        if gate.leaving and gate.leaving not in site.people:
            raise InvalidConfig(f"gate {gate.id}", f"there is no people sensor {gate.leaving}")
        for lane in gate.lanes:
            if lane.reversible and lane.direction == "exit":
                raise InvalidConfig(f"lane {lane.id}", "is an exit; a reversible lane is an entry that can lead out")


def _is_tcp(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "tcp" and bool(parts.hostname and parts.port) and not parts.path.strip("/")
    except ValueError:
        return False


def _check_admission(site: Site) -> None:
    admission, zones = site.admission, {zone.id for zone in site.zones}
    for gate in site.gates:
        if gate.zone and gate.zone not in zones:
            raise InvalidConfig(f"gate {gate.id}", f"there is no zone {gate.zone}")
    for pair in admission.travel:
        if {pair.start, pair.end} - {gate.id for gate in site.gates}:
            raise InvalidConfig("admission.travel", f"{pair.start} to {pair.end} names no two gates")
        if pair.min_s < 0:
            raise InvalidConfig("admission.travel", f"{pair.start} to {pair.end} cannot take less than no time")
    if admission.min_interval_s < 0 or admission.companion_s < 0:
        raise InvalidConfig("admission", "intervals are 0 seconds or more")


def _check_product(site: Site, product: ProductSite) -> None:
    place = f"product {product.code}"
    missing = {"weekday", "weekend", "holiday"} - set(product.prices)
    if missing:
        raise InvalidConfig(place, f"no price for {', '.join(sorted(missing))}")
    counts = (product.entries, product.days, product.days_of_use, product.minutes, product.party)
    if any(count is not None and count < 1 for count in counts):
        raise InvalidConfig(place, "entries, days, days_of_use, minutes and party are 1 or more")
    check_slots(place, product, site.admission.day_begins)
    if (product.quota_per_day or 0) < 0 or not product.units or not product.lane_classes or not product.media:
        raise InvalidConfig(place, "needs a quota, units, lane classes and media")
    if product.season is not None and (product.days != 1 or product.season.ends < product.season.begins):
        raise InvalidConfig(place, "a season ends after it begins, and has no number of days")
    if product.days_of_use is not None and product.season is None and product.days_of_use > product.days:
        raise InvalidConfig(place, f"{product.days_of_use} days of use do not fit into {product.days} days")
    units = {unit.unit for unit in product.units}
    strange = ({*product.attention, *product.companions, *product.companions.values()}) - units
    if strange:
        raise InvalidConfig(place, f"{sorted(strange)[0]} is no unit of it")
    if set(product.companions) & set(product.companions.values()):
        raise InvalidConfig(place, "a companion cannot accompany a companion")
    known = {gate.id for gate in site.gates} | {zone.id for zone in site.zones} | {gate.lift for gate in site.gates}
    for covered in product.places:
        if not covered.place or covered.place not in known:
            raise InvalidConfig(place, f"there is no gate, zone or lift {covered.place}")
    for hours in (product.hours, *(covered.hours for covered in product.places)):
        if hours is not None:
            _check_hours(place, hours, site.admission.day_begins)


def _check_hours(place: str, hours: HoursSite, day_begins: time) -> None:
    """Hours lie within one service day, or else a part of them would never come."""
    over_midnight = hours.closes <= hours.opens
    if hours.opens < day_begins or (over_midnight and hours.closes > day_begins):
        raise InvalidConfig(
            place, f"its hours do not lie within a day that begins at {day_begins:%H:%M} (admission.day_begins)"
        )


def _check_alarms(site: Site) -> None:
    for name, limit in msgspec.structs.asdict(site.alarms).items():
        if limit < 1:
            raise InvalidConfig(f"alarms.{name}", "must be at least 1")
    for hook in site.webhooks:
        _check_webhook(hook)


def _check_webhook(hook: WebhookSite) -> None:
    try:
        parts = urlsplit(hook.url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidConfig("webhooks.url", f"cannot be used ({error})") from None
    near = host in ("127.0.0.1", "::1", "localhost")
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and near)):
        raise InvalidConfig("webhooks.url", "must be https://..., or http:// on this machine (127.0.0.1)")
    if parts.username is not None:
        raise InvalidConfig("webhooks.url", "must not hold a password; requests are signed")
    if bool(hook.secret_file) == bool(hook.secret_env):
        raise InvalidConfig("webhooks", "needs either secret_file or secret_env")


def _check_unique(place: str, values: list[str]) -> None:
    doubled = sorted({value for value in values if values.count(value) > 1})
    if doubled:
        raise InvalidConfig(place, f"{doubled[0]} appears twice")
