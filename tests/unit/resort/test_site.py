"""The site file: what is refused, and where the sentence points."""

from pathlib import Path

import msgspec
import pytest

from devices.profile import load_profile
from orchestrator.settings import load_site, needs_stage, webhook, with_addresses
from resort.errors import InvalidConfig
from resort.site import AlarmLimits, ScannerLine, Site, WebhookSite
from resort.site_checks import check_site

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
        ("\ngates:", "\ngates: [", "not YAML"),
        ("zone: peak", "zone: valley", "there is no zone valley"),
        ("start: village,", "start: hamlet,", "hamlet to summit names no two gates"),
        ("min_s: 420", "min_s: -1", "less than no time"),
        ("min_interval_s: 180", "min_interval_s: -1", "0 seconds or more"),
        ("days_of_use: 4", "days_of_use: 11", "11 days of use do not fit into 10 days"),
        ("party: 6", "party: 0", "are 1 or more"),
        ("begins: 2026-11-15", "begins: 2027-11-15", "a season ends after it begins"),
        ("companions: {companion: child}", "companions: {companion: dog}", "dog is no unit of it"),
        ("companions: {companion: child}", "companions: {companion: companion}", "cannot accompany a companion"),
        ("{place: base}", "{place: moon}", "no gate, zone or lift moon"),
        ('closes: "00:30:00"', 'closes: "05:30:00"', "do not lie within a day that begins at 05:00"),
        ('opens: "12:30:00"', 'opens: "04:30:00"', "do not lie within a day"),
        ("lane_class: fast,", "lane_class: fast, faces: sometimes,", "Invalid enum value"),
        ("inference_actors: 1", "inference_actors: 0", "must be 1 to 32"),
        ("inference_actors: 1", "one_to_one: {pass_rate: 0.1}", "fewer strangers may pass"),
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


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.org/x", "https"),
        ("ftp://127.0.0.1/x", "https"),
        ("https:///x", "https"),
        ("https://[::1", "cannot be used"),
        ("https://h.example.org:port/", "cannot be used"),
        ("https://ann:secret@h.example.org/", "password"),
    ],
)
def test_alarms_are_sent_encrypted_or_to_this_very_machine(demo_site: Site, url: str, problem: str) -> None:
    hook = WebhookSite(url, secret_env="HOOK")
    with pytest.raises(InvalidConfig, match=problem):
        check_site(msgspec.structs.replace(demo_site, webhooks=[hook]))


@pytest.mark.parametrize("url", ["https://h.example.org/x?y=1", "http://127.0.0.1:9/x", "http://[::1]:9/", "http://localhost/"])
def test_addresses_that_alarms_may_be_sent_to(demo_site: Site, url: str) -> None:
    site = msgspec.structs.replace(demo_site, webhooks=[WebhookSite(url, secret_env="HOOK")])
    assert check_site(site) is site


@pytest.mark.parametrize("secrets", [{}, {"secret_env": "HOOK", "secret_file": "/etc/hook"}])
def test_a_webhook_has_one_secret(demo_site: Site, secrets: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="either"):
        check_site(msgspec.structs.replace(demo_site, webhooks=[WebhookSite("https://h.example.org/", **secrets)]))


def test_a_threshold_of_nothing_is_refused(demo_site: Site) -> None:
    with pytest.raises(InvalidConfig, match=r"alarms\.many_lanes"):
        check_site(msgspec.structs.replace(demo_site, alarms=AlarmLimits(many_lanes=0)))


def test_a_webhooks_secret_comes_from_its_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("sixteen bytes and more\n")
    hook = webhook(WebhookSite("https://h.example.org/", str(file), kinds=["forced_arm"], severities=["critical"]))
    assert (hook.secret, hook.kinds, hook.severities) == (
        b"sixteen bytes and more",
        frozenset({"forced_arm"}),
        frozenset({"critical"}),
    )
    monkeypatch.setenv("HOOK", "another one of sixteen bytes")
    assert webhook(WebhookSite("https://h.example.org/", secret_env="HOOK")).secret == b"another one of sixteen bytes"


def test_a_webhook_without_a_usable_secret_keeps_the_site_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    with pytest.raises(InvalidConfig, match="cannot be read"):
        webhook(WebhookSite("https://h.example.org/", str(file)))
    file.write_text("short")
    with pytest.raises(InvalidConfig, match="16 bytes") as refused:
        webhook(WebhookSite("https://h.example.org/", str(file)))
    assert "short" not in str(refused.value)
    monkeypatch.delenv("HOOK", raising=False)
    with pytest.raises(InvalidConfig, match="HOOK"):
        webhook(WebhookSite("https://h.example.org/", secret_env="HOOK"))
    with pytest.raises(InvalidConfig, match="forced_leg"):
        webhook(WebhookSite("https://h.example.org/", secret_env="HOOK", kinds=["forced_leg"]))
