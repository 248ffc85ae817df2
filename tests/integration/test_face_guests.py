"""The whole resort with guests whose faces are enrolled: `snowgate up`, its stage, its HTTP API, its actors and its journal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from benchmarks.face_photographs import photographs
from orchestrator.settings import load_site
from tests.running_site import RunningSite

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(600)]

FACES = Path(__file__).parents[2] / "config" / "faces.yaml"
PATIENCE_S = 240.0
BODIES = "SELECT body FROM journal WHERE kind = ?"


@pytest.fixture(scope="module")
def site_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled resort with faces, more patient: this machine is busy with other things, too."""
    photographs()  # the guests are drawn from these
    site = yaml.safe_load(FACES.read_text(encoding="utf-8"))
    site["gates"][0]["lanes"] = site["gates"][0]["lanes"][:2]
    site["faces"]["compare_ms"] = 2_000
    path = tmp_path_factory.mktemp("faces") / "faces.yaml"
    path.write_text(yaml.safe_dump(site, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, site_file: Path) -> Iterator[RunningSite]:
    site = RunningSite(tmp_path_factory.mktemp("faced") / "data", "--site", str(site_file))
    try:
        yield site.wait_open()
    finally:
        site.kill_all()


def events(site: RunningSite, kind: str) -> list[Any]:
    return [msgspec.json.decode(body) for (body,) in site.sql(BODIES, kind)]


def test_holders_pass_by_their_faces_and_others_with_their_tickets_do_not(site: RunningSite) -> None:
    def passed() -> list[Any]:
        return [grant for grant in events(site, "GrantIssued") if grant.get("face")]

    def of_another() -> list[Any]:
        return [refused for refused in events(site, "ScanRefused") if refused["reason"] == "face_of_another"]

    site.until(lambda: len(passed()) >= 2 and of_another(), PATIENCE_S)
    enrolled = {event["ticket_id"] for event in events(site, "FaceEnrolled")}
    for grant in passed():
        assert grant["ticket_id"] in enrolled
        assert grant["face"]["verdict"] == "pass"
        assert (grant["medium"] == "printed") or (grant["lane_id"], grant["medium"]) == ("village-2", "face")
        assert grant["face"]["score"] >= grant["face"]["threshold"]
    granted = {grant["ticket_id"] for grant in events(site, "GrantIssued")}
    for refused in of_another():
        assert refused["ticket_id"] in enrolled - granted
        assert refused["face"]["verdict"] == "refuse"


def test_a_face_alone_opens_for_its_ticket_and_a_ticket_that_is_used_up_is_refused_by_face_too(site: RunningSite) -> None:
    def alone() -> list[Any]:
        return [grant for grant in events(site, "GrantIssued") if grant["medium"] == "face"]

    def used() -> list[Any]:
        return [refused for refused in events(site, "ScanRefused") if refused.get("medium") == "face"]

    site.until(lambda: alone() and used(), PATIENCE_S)
    enrolled = {event["ticket_id"] for event in events(site, "FaceEnrolled")}
    assert {grant["ticket_id"] for grant in alone()} <= enrolled
    assert {refused["reason"] for refused in used()} == {"already_used"}
    assert {refused["ticket_id"] for refused in used()} <= {grant["ticket_id"] for grant in alone()}


def test_guests_without_an_enrolled_face_pass_at_the_same_lane_as_ever(site: RunningSite) -> None:
    def plain() -> list[Any]:
        return [grant for grant in events(site, "GrantIssued") if not grant.get("face") and not grant.get("face_away")]

    enrolled = {event["ticket_id"] for event in events(site, "FaceEnrolled")}
    site.until(plain, PATIENCE_S)
    assert not {grant["ticket_id"] for grant in plain()} & enrolled


def test_no_picture_and_no_vector_is_in_the_journal(site: RunningSite) -> None:
    site.until(lambda: events(site, "FaceEnrolled"), PATIENCE_S)
    longest = max(len(body) for kind in ("FaceEnrolled", "GrantIssued", "ScanRefused") for (body,) in site.sql(BODIES, kind))
    assert longest < 2_000, "a vector of 128 numbers alone is longer"


def test_the_bundled_file_is_a_site_with_faces() -> None:
    site = load_site(FACES)
    assert [lane.faces for _, lane in site.lanes()] == ["verify", "identify", "off"]
