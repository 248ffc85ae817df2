"""The crowd brain in a running resort of one gate: it closes lanes that nobody needs, staff overrule it, and when its process
hangs the gate opens the lanes again by itself.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.crowd_site import crowd_site
from tests.running_site import RunningSite

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(600)]

PATIENCE_S = 150.0
ACTS = "SELECT body FROM journal WHERE kind = 'StaffActed' ORDER BY seq"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    site = crowd_site(tmp_path_factory.mktemp("crowd"))
    yield site
    site.kill_all()


def send(site: RunningSite, method: str, path: str, body: object | None = None) -> Any:
    headers = {"Cookie": site.cookie, "Content-Type": "application/json"}
    data = b"{}" if body is None else msgspec.json.encode(body)
    request = urllib.request.Request(f"{site.address}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return msgspec.json.decode(answer.read())


def closed(site: RunningSite) -> set[str]:
    return {lane["lane_id"] for lane in site.get("/api/gates")["lanes"] if lane["state"] == "closed"}


def closings(site: RunningSite) -> list[Any]:
    return [one for one in site.get("/api/crowd")["proposals"] if one["wish"] == "close_lane"]


def until(site: RunningSite, holds: Callable[[], bool]) -> None:
    """Wait for it. A console whose feed is late on a busy machine answers 503: ask again."""

    def look() -> bool | None:
        try:
            return holds() or None
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return None

    site.until(look, PATIENCE_S)


def test_lanes_follow_the_crowd_staff_come_first_and_its_loss_closes_nothing(site: RunningSite) -> None:
    # It asks first: nothing closes until somebody accepts.
    until(site, lambda: bool(closings(site)))
    (proposal,) = closings(site)
    assert (proposal["lane_id"], closed(site)) == ("village-3", set())
    act = send(site, "POST", f"/api/crowd/proposals/{proposal['proposal_id']}/accept")
    assert (act["outcome"], act["by"]) == ("done", "admin")
    until(site, lambda: closed(site) == {"village-3"})

    # Staff open it again and it stays so; by itself it then closes another one, and never the last two (one a class).
    send(site, "PUT", "/api/lanes/village-3/mode", {"mode": "open"})
    send(site, "PUT", "/api/crowd/mode", {"mode": "automatic"})
    until(site, lambda: closed(site) == {"village-1", "village-2"})
    view = site.get("/api/crowd")
    assert list(view["gates"][0]["left_alone"]) == ["village-3"]
    assert view["signs"][0]["gate_id"] == "village"
    assert site.get("/api/status")["lifts"]["status"] == {"village-express": "open"}

    # Its process hangs: nobody renews the leases, so the gate opens the lanes.
    (brain,) = site.actor_processes("OrchestratorActor")
    brain.suspend()
    try:
        until(site, lambda: closed(site) == set())
    finally:
        brain.resume()
    acts = [msgspec.json.decode(body) for (body,) in site.until(lambda: site.sql(ACTS), PATIENCE_S)]
    told = [(act["by"], act["action"], act["lane_id"], act["outcome"]) for act in acts]
    assert ("orchestrator", "mode", "village-3", "closed") in told
    assert ("admin", "crowd_mode", "", "automatic") in told
    assert told.count(("orchestrator", "mode", "village-2", "closed")) >= 1
    assert any(act["note"].startswith("accepted by admin") for act in acts)
