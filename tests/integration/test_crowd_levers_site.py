"""The crowd brain's other levers in a running resort of one gate, on real lines: a reversible lane, a display, an area."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from sim.sign_server import SignServer
from tests.crowd_site import crowd_site
from tests.integration.test_crowd_site import send, until
from tests.line_sensor import LineSensor, devices_beside, simulated_display
from tests.running_site import RunningSite

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(600)]

ACTS = "SELECT body FROM journal WHERE kind = 'StaffActed' ORDER BY seq"


@dataclass
class Levers:
    site: RunningSite
    inside: LineSensor  # who waits to leave
    lodge: LineSensor  # the doors of a hall
    display: SignServer

    def lane(self, lane_id: str) -> Any:
        return next(lane for lane in self.site.get("/api/gates")["lanes"] if lane["lane_id"] == lane_id)


@pytest.fixture(scope="module")
def levers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Levers]:
    inside, lodge, display = LineSensor(), LineSensor(), simulated_display()
    inside.says, lodge.says = "waiting=0", "in=1000 out=400"
    with devices_beside(inside, lodge, display=display) as address:
        site = crowd_site(tmp_path_factory.mktemp("levers"), lambda made: _add_levers(made, inside.url, lodge.url, address))
        try:
            yield Levers(site, inside, lodge, display)
        finally:
            site.kill_all()


def _add_levers(made: dict[str, Any], inside: str, lodge: str, display: str) -> None:
    made["people"] = {
        "inside": {"url": inside, "line": "waiting={waiting}", "gate": "village"},
        "lodge": {"url": lodge, "line": "in={in} out={out}"},
    }
    gate, crowd = made["gates"][0], made["crowd"]
    gate["leaving"] = "inside"
    gate["lanes"][1]["reversible"] = True
    made["lane_limits"]["clearance_ms"] = 300
    crowd["dwell_s"] = 86_400  # lanes are not closed for lack of guests here
    crowd["signs"][0]["display"] = display
    crowd |= {"turn_hold_s": 2, "turn_clear_s": 1, "sign_dwell_s": 1}
    name = {"zh": "大厅", "en": "Lodge"}
    crowd["areas"] = [{"id": "lodge", "name": name, "limit": 100, "sensors": ["lodge"], "warn_percent": 80}]


def proposal(site: RunningSite, wish: str) -> Any:
    return next((one for one in site.get("/api/crowd")["proposals"] if one["wish"] == wish), None)


def accept(site: RunningSite, wish: str) -> Any:
    until(site, lambda: proposal(site, wish) is not None)
    return send(site, "POST", f"/api/crowd/proposals/{proposal(site, wish)['proposal_id']}/accept")


def test_a_display_names_what_staff_accept_and_what_they_order(levers: Levers) -> None:
    site = levers.site
    assert levers.display.text is None
    act = accept(site, "name_gate")
    assert (act["sign_id"], act["outcome"]) == ("car-park", "done")
    until(site, lambda: levers.display.text is not None)
    shown = levers.display.text
    assert shown is not None
    assert shown.en.startswith("Take Village gate, 2 min walk")
    send(site, "PUT", "/api/crowd/signs/car-park", {"gate_id": ""})
    until(site, lambda: levers.display.text is None)
    until(site, lambda: site.get("/api/crowd")["signs"][0]["display"] == "blank")
    send(site, "PUT", "/api/crowd/signs/car-park", {"gate_id": None})
    until(site, lambda: levers.display.text == shown)


def test_a_lane_leads_out_while_many_leave_and_in_again_when_its_sensor_falls_silent(levers: Levers) -> None:
    site = levers.site
    levers.inside.says = "waiting=60"
    act = accept(site, "turn_lane_out")
    assert (act["lane_id"], act["outcome"]) == ("village-2", "done")
    until(site, lambda: levers.lane("village-2")["state"] == "exit")
    assert site.get("/api/status")["lifts"]["status"] == {"village-express": "open"}
    send(site, "PUT", "/api/crowd/mode", {"mode": "automatic"})
    levers.inside.says = "waiting=0"
    until(site, lambda: levers.lane("village-2")["state"] == "ready")
    acts = [msgspec.json.decode(body) for (body,) in site.sql(ACTS)]
    told = [(act["by"], act["outcome"]) for act in acts if act["lane_id"] == "village-2"]
    assert ("orchestrator", "exit") in told

    # Staff may order it too, and only a reversible one.
    send(site, "PUT", "/api/lanes/village-2/mode", {"mode": "exit"})
    until(site, lambda: levers.lane("village-2")["state"] == "exit")
    send(site, "PUT", "/api/lanes/village-2/mode", {"mode": "open"})
    until(site, lambda: levers.lane("village-2")["state"] == "ready")


def test_an_area_is_warned_of_before_it_is_full_and_again_calm_afterwards(levers: Levers) -> None:
    site = levers.site

    def alarms() -> set[str]:
        return {alarm["alarm_key"] for alarm in site.get("/api/alarms")["alarms"]}

    until(site, lambda: site.get("/api/crowd")["areas"][0]["persons"] == 0)
    levers.lodge.says = "in=1085 out=400"
    until(site, lambda: "area_filling:lodge" in alarms())
    levers.lodge.says = "in=1104 out=400"
    until(site, lambda: "area_full:lodge" in alarms() and "area_filling:lodge" not in alarms())
    (area,) = site.get("/api/crowd")["areas"]
    assert (area["persons"], area["level"]) == (104, "full")

    # The orchestrator's process ends; what was counted is still there.
    (brain,) = site.actor_processes("OrchestratorActor")
    brain.kill()
    until(site, lambda: [one.pid for one in site.actor_processes("OrchestratorActor")] not in ([], [brain.pid]))
    until(site, lambda: (site.get("/api/crowd")["areas"] or [{"persons": None}])[0]["persons"] == 104)
    levers.lodge.says = "in=1104 out=490"
    until(site, lambda: not {"area_full:lodge", "area_filling:lodge"} & alarms())
