"""The live console in a real Chromium, on a real resort with guests at its gates."""

import re
import socket
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from tests.running_site import RunningSite
from tests.web.chromium import chromium

pytestmark = pytest.mark.realtime

LANES = ("village-1", "village-fast", "north-1", "summit-fast")
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)  # a lane's first guest has to buy a ticket first
PASSAGES = "SELECT lane_id, at FROM journal WHERE kind = 'PassageConfirmed' ORDER BY seq"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> int:
    return _free_port()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web") / "data"


@pytest.fixture(scope="module")
def site(data: Path, port: int) -> Iterator[RunningSite]:
    site = RunningSite(data, "--port", str(port)).wait_open()
    yield site
    site.kill_all()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def _sign_in(page: Page, site: RunningSite) -> None:
    assert site.password is not None
    page.goto(site.address)
    page.get_by_test_id("sign-in-name").fill("admin")
    page.get_by_test_id("sign-in-password").fill(site.password)
    page.get_by_test_id("sign-in-submit").click()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "connected", timeout=PATIENCE_MS)


def test_a_wrong_password_is_told_and_shows_nothing(page: Page, site: RunningSite) -> None:
    page.goto(site.address)
    page.get_by_test_id("sign-in-name").fill("admin")
    page.get_by_test_id("sign-in-password").fill("wrong password")
    page.get_by_test_id("sign-in-submit").click()
    expect(page.get_by_test_id("sign-in-fault")).not_to_be_empty()
    expect(page.get_by_test_id("lane-village-1")).to_have_count(0)


def test_every_lane_shows_its_state_and_last_decision_in_words(page: Page, site: RunningSite, tmp_path: Path) -> None:
    _sign_in(page, site)
    for gate in ("village", "north", "summit"):
        expect(page.get_by_test_id(f"gate-{gate}")).to_be_visible()
    assert page.locator("[data-testid^=lane-][data-state]").count() == 10
    for lane in LANES:
        expect(page.get_by_test_id(f"lane-{lane}-state")).to_have_text(re.compile("开放|请通行|通行中|等待|就绪|放行"))
        expect(page.get_by_test_id(f"lane-{lane}-last")).to_contain_text(re.compile(r"[\u4e00-\u9fff]"))
        expect(page.get_by_test_id(f"lane-{lane}-passages")).not_to_have_text("0")
        expect(page.get_by_test_id(f"lane-{lane}-queue")).to_have_text(re.compile(r"\d+"))
    before = int(page.get_by_test_id("lane-north-1-passages").inner_text())
    expect(page.get_by_test_id("lane-north-1-passages")).to_have_text(re.compile(rf"^(?!{before}$)\d+$"))
    page.screenshot(path=tmp_path / "console.png", full_page=True)
    assert (tmp_path / "console.png").stat().st_size > 20_000


def test_the_language_can_be_switched(page: Page, site: RunningSite) -> None:
    _sign_in(page, site)
    expect(page.get_by_test_id("gate-village")).to_contain_text("山门")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("gate-village")).to_contain_text("Village gate")


def test_an_alarm_shows_is_acknowledged_by_keyboard_and_goes(page: Page, site: RunningSite) -> None:
    """The stage that plays the turnstiles is frozen: every arm is silent, until it goes on."""
    _sign_in(page, site)
    (stage,) = [process for process in site.family() if "sim.stage" in process.cmdline()]
    alarm = page.get_by_test_id("alarm-lane_faulted:village-1")
    stage.suspend()
    try:
        expect(alarm).to_contain_text("闸机故障或失联", timeout=PATIENCE_MS)
        expect(alarm).to_contain_text("山门 · 1 号")
        page.get_by_test_id("alarm-lane_faulted:village-1-acknowledge").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("acknowledge-note")).to_be_focused()
        page.keyboard.type("技术员在路上")
        page.keyboard.press("Enter")
        seen = page.get_by_test_id("alarm-lane_faulted:village-1-seen")
        expect(seen).to_contain_text("admin", timeout=PATIENCE_MS)
        expect(seen).to_contain_text("技术员在路上")
        expect(page.get_by_test_id("acknowledge-dialog")).to_have_count(0)
    finally:
        stage.resume()
    expect(alarm).to_have_count(0, timeout=PATIENCE_MS)
    noted = site.until(lambda: site.sql("SELECT body FROM journal WHERE kind = 'AlarmAcknowledged'"), 10)
    assert [msgspec.json.decode(body)["note"] for (body,) in noted] == ["技术员在路上"]


def test_every_passage_comes_by_websocket(page: Page, site: RunningSite, record_property: object) -> None:
    """Each count that a frame shows is a passage in the journal. The delays are recorded, not asserted: see docs/api.md."""
    arrived: dict[tuple[str, int], float] = {}

    def note(payload: str | bytes) -> None:
        now = time.time()  # noqa: TID251 - compared with times in the journal
        for lane in msgspec.json.decode(payload).get("lanes", []):
            arrived.setdefault((lane["lane_id"], lane["passages"]), now)

    def watch(socket_: WebSocket) -> None:
        socket_.on("framereceived", note)

    page.on("websocket", watch)
    _sign_in(page, site)
    page.wait_for_timeout(6_000)
    site.until(lambda: len(site.sql(PASSAGES)) >= sum(_newest(arrived).values()) or None, 10)
    counts: dict[str, int] = {}
    delays = []
    for lane_id, at in site.sql(PASSAGES):
        counts[lane_id] = counts.get(lane_id, 0) + 1
        seen = arrived.get((lane_id, counts[lane_id]))
        if seen is not None and counts[lane_id] > _oldest(arrived)[lane_id]:
            delays.append((seen - datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()) * 1000)
    assert len(delays) >= 10
    assert all(counts[lane_id] >= newest for lane_id, newest in _newest(arrived).items())
    delays.sort()
    figures = {"median_ms": round(statistics.median(delays)), "p95_ms": round(delays[int(len(delays) * 0.95)])}
    record_property("feed_delay", str(figures))  # type: ignore[operator]
    print("passage to page:", figures)


def _newest(arrived: dict[tuple[str, int], float]) -> dict[str, int]:
    return {lane_id: max(count for lane, count in arrived if lane == lane_id) for lane_id, _ in arrived}


def _oldest(arrived: dict[tuple[str, int], float]) -> dict[str, int]:
    return {lane_id: min(count for lane, count in arrived if lane == lane_id) for lane_id, _ in arrived}


def test_it_says_when_it_is_stale_and_reconnects_by_itself(page: Page, site: RunningSite, data: Path, port: int) -> None:
    _sign_in(page, site)
    passages = int(page.get_by_test_id("lane-village-1-passages").inner_text())
    site.interrupt()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-stale", "true", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("stale-banner")).to_be_visible()
    again = RunningSite(data, "--port", str(port))
    try:
        again.wait_open()
        expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "connected", timeout=PATIENCE_MS)
        expect(page.get_by_test_id("connection")).to_have_attribute("data-stale", "false", timeout=PATIENCE_MS)
        assert int(page.get_by_test_id("lane-village-1-passages").inner_text()) >= passages
    finally:
        again.interrupt()
