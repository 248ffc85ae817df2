"""The face work of a lane from its site entry. Decides nothing; loads no model."""

from actors.inference_client import FacesClient
from actors.lane_faces import FaceLimits, LaneFaces
from resort.clock import Clock
from resort.ports import CodeSource, Framed
from resort.site import GateSite, LaneSite, Site


def lane_faces(site: Site, gate: GateSite, lane: LaneSite, source: CodeSource, clock: Clock) -> LaneFaces | None:
    """None for a lane that looks at no face. Lanes ask different inference actors first."""
    if site.faces is None or lane.faces == "off" or not isinstance(source, Framed):
        return None
    number = [other.id for _, other in site.lanes()].index(lane.id)
    limits = FaceLimits(lane.faces, gate.id, site.faces.compare_ms, site.faces.one_to_many.frames)
    return LaneFaces(limits, source, FacesClient(site.faces, first=number), clock)
