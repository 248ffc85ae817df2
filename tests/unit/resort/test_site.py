"""The site file: what is refused, and where the sentence points."""

from pathlib import Path

import pytest

from devices.profile import load_profile
from orchestrator.settings import load_site, needs_stage, with_addresses
from resort.errors import InvalidConfig
from resort.site import ScannerLine, Site

DEMO = Path("config/demo.yaml")
DRILL = Path("config/drill.yaml")


def test_the_demo_resort_is_what_the_readme_says(demo_site: Site) -> None:
    assert len(demo_site.gates) == 3
    assert len(demo_site.lanes()) == 10
    assert [sum(lane.lane_class == "fast" for lane in gate.lanes) for gate in demo_site.gates] == [1, 1, 1]
    assert demo_site.runtime.pricing_shards == 2
    assert needs_stage(demo_site)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("id: north-2", "id: north-1", "north-1 appears twice"),
        ("timezone: Asia/Shanghai", "timezone: Asia/Nowhere", "not a known time zone"),
        ("unit: 4", "unit: 300", "0 to 255"),
        ("pricing_shards: 2", "pricing_shards: 0", "at least 1"),
        ("pricing_shards: 2", "pricing_shard: 2", "unknown field"),
        ("weekday: 12000, ", "", "no price for weekday"),
        ("lane_class: fast", "lane_class: slow", "Invalid enum value"),
        ("gates:", "gates: [", "not YAML"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = DEMO.read_text()
    assert old in text
    path = tmp_path / "site.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidConfig) as caught:
        load_site(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="there is no file"):
        load_site(tmp_path / "none.yaml")


def test_simulated_devices_get_their_addresses(demo_site: Site) -> None:
    buses = {gate.id: f"tcp://127.0.0.1:{1000 + index}" for index, gate in enumerate(demo_site.gates)}
    cameras = {str(lane.id): f"http://127.0.0.1:1/{lane.id}" for _, lane in demo_site.lanes()}
    placed = with_addresses(demo_site, {str(key): value for key, value in buses.items()}, cameras)
    assert not needs_stage(placed)
    gate, lane = placed.lanes()[4]
    assert lane.turnstile.bus == buses[gate.id]
    assert lane.camera.url == cameras[lane.id]


def test_simulated_scanners_get_their_addresses() -> None:
    site = load_site(DRILL)
    buses = {str(gate.id): "tcp://127.0.0.1:1" for gate in site.gates}
    placed = with_addresses(
        site, buses, {str(lane.id): f"tcp://127.0.0.1:2{number}" for number, (_, lane) in enumerate(site.lanes())}
    )
    assert not needs_stage(placed)
    assert [lane.camera.url for _, lane in placed.lanes()][:2] == ["tcp://127.0.0.1:20", "tcp://127.0.0.1:21"]


def test_the_drill_resort_releases_a_grant_only_after_its_arms_have_locked() -> None:
    site = load_site(DRILL)
    assert len(site.lanes()) == 10
    for _, lane in site.lanes():
        assert load_profile(lane.turnstile.profile).timings.open_window_ms < site.lane_limits.passage_timeout_ms


def test_a_scanners_framing_is_read_from_the_site_file(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    text = DRILL.read_text()
    camera = "camera: {url: simulated-scanner}"
    framed = 'camera: {url: "tcp://192.168.10.31:2001", line: {prefix: "]Q3", terminator: CR}}'
    path.write_text(text.replace(camera, framed, 1))
    cameras = [lane.camera for _, lane in load_site(path).lanes()]
    assert cameras[0].line == ScannerLine("]Q3", "", "CR")
    assert cameras[1].line == ScannerLine("", "", "any")
    path.write_text(text.replace(camera, "camera: {url: x, line: {terminator: TAB}}", 1))
    with pytest.raises(InvalidConfig, match="Invalid enum value"):
        load_site(path)
