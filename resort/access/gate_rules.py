"""What the site file says about admission at one gate, as the decision needs it: looked up once, when a lane starts. Pure."""

from datetime import time
from zoneinfo import ZoneInfo

import msgspec

from resort.access.service_day import MIDNIGHT
from resort.ids import GateId
from resort.site import GateSite, Passback, Site


class GateRules(msgspec.Struct, frozen=True):
    """Numbers and places of the rules at one gate; the defaults know no zone, no lift and no intervals. Seconds."""

    gate_id: GateId
    timezone: ZoneInfo
    zone: str = ""  # the zone that the gate leads into
    passback: Passback = "off"  # how strict that zone is
    lift: str = ""
    min_interval_s: int = 0  # between two passes of one ticket at this lift
    travel_s: dict[GateId, int] = {}  # the least time from other gates to this one
    companion_s: int = 600
    day_begins: time = MIDNIGHT


def gate_rules(site: Site, gate: GateSite) -> GateRules:
    """The rules at `gate` of `site`, which `resort.site_checks.check_site` has checked."""
    admission = site.admission
    passback = {zone.id: zone.passback for zone in site.zones}
    return GateRules(
        gate_id=gate.id,
        timezone=site.zone,
        zone=gate.zone,
        passback=passback.get(gate.zone, "off"),
        lift=gate.lift,
        min_interval_s=admission.min_interval_s,
        travel_s={pair.start: pair.min_s for pair in admission.travel if pair.end == gate.id},
        companion_s=admission.companion_s,
        day_begins=admission.day_begins,
    )
