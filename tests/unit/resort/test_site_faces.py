"""Settings for faces: what is refused, and where the sentence points."""

import msgspec
import pytest

from resort.errors import InvalidConfig
from resort.face_rules import OneToMany, OneToOne
from resort.site import CameraSite, FacesSite, FaceUse, GateSite, Site
from resort.site_checks import check_site


def with_faces(site: Site, faces: FacesSite | None, use: FaceUse = "off", camera: str = "simulated") -> Site:
    """The site with its first lane's faces and camera, and the section, so changed."""
    gate = site.gates[0]
    lane = msgspec.structs.replace(gate.lanes[0], faces=use, camera=CameraSite(camera))
    first: GateSite = msgspec.structs.replace(gate, lanes=[lane, *gate.lanes[1:]])
    return msgspec.structs.replace(site, faces=faces, gates=[first, *site.gates[1:]])


@pytest.mark.parametrize("use", ["off", "verify", "identify"])
def test_control_a_lane_with_a_camera_may_look_at_faces(demo_site: Site, use: FaceUse) -> None:
    site = with_faces(demo_site, FacesSite(inference_actors=2), use, "http://192.0.2.1/video.mjpg")
    assert check_site(site) is site


def test_a_site_without_faces_needs_no_section(demo_site: Site) -> None:
    assert check_site(with_faces(demo_site, None)).faces is None


@pytest.mark.parametrize("camera", ["tcp://192.0.2.1:9000", "serial:///dev/ttyUSB0", "simulated-scanner"])
def test_a_lane_that_takes_no_picture_sees_no_face(demo_site: Site, camera: str) -> None:
    with pytest.raises(InvalidConfig, match="takes no pictures"):
        check_site(with_faces(demo_site, FacesSite(), "verify", camera))


def test_a_lane_cannot_look_at_faces_where_the_site_does_not(demo_site: Site) -> None:
    with pytest.raises(InvalidConfig, match="no faces section"):
        check_site(with_faces(demo_site, None, "identify"))


@pytest.mark.parametrize(
    ("faces", "says"),
    [
        (FacesSite(inference_actors=0), "faces.inference_actors: must be 1 to 32"),
        (FacesSite(inference_actors=33), "faces.inference_actors: must be 1 to 32"),
        (FacesSite(compare_ms=99), "faces.compare_ms: must be 100 to 2000"),
        (FacesSite(look_s=121), "faces.look_s: must be 5 to 120"),
        (FacesSite(one_to_one=OneToOne(pass_rate=0.0)), "a rate is not one"),
        (FacesSite(one_to_one=OneToOne(pass_rate=0.02)), "fewer strangers may pass than are looked at"),
        (FacesSite(one_to_many=OneToMany(stranger_rate=1.0)), "a rate is not one"),
        (FacesSite(one_to_many=OneToMany(frame_rate=-1.0)), "a rate is not one"),
        (FacesSite(one_to_many=OneToMany(agreeing=4)), "of its frames to agree"),
        (FacesSite(one_to_many=OneToMany(agreeing=0)), "of its frames to agree"),
        (FacesSite(one_to_many=OneToMany(margin=-0.1)), "needs a margin"),
    ],
)
def test_rules_that_mean_nothing_are_refused(demo_site: Site, faces: FacesSite, says: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        check_site(with_faces(demo_site, faces))
    assert says in str(caught.value)
