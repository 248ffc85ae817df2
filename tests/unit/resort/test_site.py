"""The site file: what is refused, and where the sentence points."""

from pathlib import Path

import pytest

from orchestrator.settings import load_site, needs_stage, with_addresses
from resort.errors import InvalidConfig
from resort.site import Site

DEMO = Path("config/demo.yaml")


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
