"""Whether a site's settings for faces make sense, as far as types alone cannot tell. Pure."""

from resort.errors import Invalid, InvalidConfig
from resort.face_rules import CURVE
from resort.site import FacesSite, Site

MOST_ACTORS = 32  # each is a process with 130 MB of models
NO_CAMERA = ("tcp://", "serial://", "simulated-scanner")  # code readers by their address that take no picture


def check_faces(site: Site) -> None:
    """Raises InvalidConfig naming the first place that is wrong."""
    for _, lane in site.lanes():
        if lane.faces == "off":
            continue
        if site.faces is None:
            raise InvalidConfig(f"lane {lane.id}", "looks at faces, and the site has no faces section")
        if lane.camera.url.startswith(NO_CAMERA):
            raise InvalidConfig(f"lane {lane.id}", "looks at faces, and its code reader takes no pictures")
        if lane.direction == "exit":
            raise InvalidConfig(f"lane {lane.id}", "looks at faces, and it is an exit, which is free anyway")
    if site.faces is not None:
        _check_rules(site.faces)


def _check_rules(faces: FacesSite) -> None:
    if not 1 <= faces.inference_actors <= MOST_ACTORS:
        raise InvalidConfig("faces.inference_actors", f"must be 1 to {MOST_ACTORS}")
    if not 100 <= faces.compare_ms <= 2_000:
        raise InvalidConfig("faces.compare_ms", "must be 100 to 2000")
    if not 5 <= faces.look_s <= 120:
        raise InvalidConfig("faces.look_s", "must be 5 to 120")
    one, many = faces.one_to_one, faces.one_to_many
    try:
        passes, looks = CURVE.threshold(one.pass_rate), CURVE.threshold(one.look_rate)
        many.threshold(1)
    except Invalid as error:
        raise InvalidConfig("faces", f"a rate is not one: {error}") from None
    if passes < looks:
        raise InvalidConfig("faces.one_to_one", "fewer strangers may pass than are looked at, not more")
    if many.margin < 0 or not 1 <= many.agreeing <= many.frames:
        raise InvalidConfig("faces.one_to_many", "needs a margin of 0 or more, and 1 to all of its frames to agree")
