"""What the site file says of one lane, as its machine needs it. Pure."""

from zoneinfo import ZoneInfo

import msgspec

from resort.access.gate_rules import GateRules, gate_rules
from resort.ids import GateId, LaneId
from resort.site import Direction, FaceAwayPolicy, FacesSite, FaceUse, GateSite, LaneClass, LaneLimits, LaneSite, Site


class LaneSettings(msgspec.Struct, frozen=True):
    """What the site file says of this lane; see `lane_settings`."""

    gate_id: GateId
    lane_id: LaneId
    lane_class: LaneClass
    limits: LaneLimits
    zone: ZoneInfo  # the time zone
    direction: Direction = "entry"
    rules: GateRules | None = None  # None: a gate with no zone, lift or intervals
    faces: FaceUse = "off"
    face_away: FaceAwayPolicy = "admit"
    look_s: int = 20  # how long staff may confirm a face
    reversible: bool = False

    @property
    def gate(self) -> GateRules:
        """What the rules need to know of the gate."""
        return self.rules or GateRules(self.gate_id, self.zone)


def lane_settings(site: Site, gate: GateSite, lane: LaneSite) -> LaneSettings:
    """Everything the site file says of one lane."""
    faces, rules = site.faces or FacesSite(), gate_rules(site, gate)
    return LaneSettings(
        gate.id,
        lane.id,
        lane.lane_class,
        site.lane_limits,
        site.zone,
        lane.direction,
        rules,
        lane.faces if site.faces is not None else "off",
        faces.when_away,
        faces.look_s,
        lane.reversible,
    )
