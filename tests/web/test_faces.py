"""Staff enrol a face from a file and delete it, and a sensor's count comes to the board: the real page on a real resort."""

import io
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from benchmarks.face_photographs import photographs
from tests.running_site import RunningSite
from tests.web.chromium import chromium

pytestmark = pytest.mark.realtime

PATIENCE_MS = 60_000
SENSORS = "people:\n  village-door: {url: push, gate: village}\n  car-park: {url: push}\n"
FACES_SITE = Path(__file__).parents[2] / "config" / "faces.yaml"
NOT_ENROLLED = """SELECT ticket_id FROM tickets WHERE unit = 'adult' AND status = 'active'
    AND ticket_id NOT IN (SELECT ticket_id FROM faces) ORDER BY issued_at LIMIT 1"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    folder = tmp_path_factory.mktemp("faces")
    (folder / "site.yaml").write_text(FACES_SITE.read_text(encoding="utf-8") + SENSORS, encoding="utf-8")
    site = RunningSite(folder / "data", "--site", str(folder / "site.yaml")).wait_open()
    yield site
    site.kill_all()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, site: RunningSite) -> Iterator[Page]:
    """Signed in. A violation of the content security policy is an error of the page's console."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if "Security Policy" in message.text else None)
    page.goto(site.address)
    page.get_by_test_id("sign-in-name").fill("admin")
    page.get_by_test_id("sign-in-password").fill(site.password or "")
    page.get_by_test_id("sign-in-submit").click()
    expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "connected", timeout=PATIENCE_MS)
    yield page
    context.close()
    assert problems == []


def _jpeg(name: str, darkened: int = 1) -> bytes:
    content = io.BytesIO()
    Image.fromarray(photographs()[name] // darkened).save(content, "JPEG", quality=90)
    return content.getvalue()


def _choose(page: Page, content: bytes) -> None:
    page.get_by_test_id("faces-age-14_or_over").check()
    page.get_by_test_id("faces-agreed").check()
    page.get_by_test_id("faces-file").set_input_files(FilePayload(name="a.jpg", mimeType="image/jpeg", buffer=content))
    expect(page.get_by_test_id("faces-preview")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_test_id("faces-enrol").click()


def test_a_face_is_enrolled_from_a_file_and_deleted(page: Page, site: RunningSite) -> None:
    ((ticket_id,),) = site.until(lambda: _rows(site, NOT_ENROLLED), 60)
    page.get_by_test_id("faces").click()
    page.get_by_test_id("faces-ticket").fill(ticket_id)
    page.keyboard.press("Enter")
    state = page.get_by_test_id("faces-state")
    expect(state).to_have_text("未登记人脸", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("faces-wording")).to_contain_text("完全自愿")
    expect(page.get_by_test_id("faces-wording")).to_contain_text("entirely voluntary")

    _choose(page, _jpeg("two", darkened=8))
    expect(page.get_by_test_id("faces-advice")).to_contain_text("太暗", timeout=PATIENCE_MS)
    expect(state).to_have_text("未登记人脸")

    _choose(page, _jpeg("two"))
    expect(state).to_have_text("已登记人脸", timeout=PATIENCE_MS)
    expect(page.locator("canvas, img")).to_have_count(0)
    assert _rows(site, "SELECT origin FROM faces WHERE ticket_id = ?", ticket_id) == [("upload",)]

    page.get_by_test_id("faces-forget").click()
    page.get_by_test_id("faces-forget-sure").click()
    expect(state).to_have_text("未登记人脸", timeout=PATIENCE_MS)
    assert _rows(site, "SELECT origin FROM faces WHERE ticket_id = ?", ticket_id) == []


def test_what_a_sensor_posts_comes_to_its_gate_on_the_board(page: Page, site: RunningSite) -> None:
    expect(page.get_by_test_id("people-car-park")).to_be_visible(timeout=PATIENCE_MS)
    command = [sys.executable, "-m", "orchestrator", "channel-key", "add", "door", "--channel", "people-village-door"]
    said = subprocess.run([*command, "--data", str(site.data)], check=True, capture_output=True, text=True, timeout=60).stdout
    key = max(said.split(), key=len)
    for entered in (100, 112):  # a total counts from the first message
        body = msgspec.json.encode({"entered": entered, "left": 40, "waiting": 7})
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{site.address}/api/people/village-door", body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 204
    gate = page.get_by_test_id("gate-village")
    expect(gate.get_by_test_id("people-village-door-entered")).to_have_text("12", timeout=PATIENCE_MS)
    expect(gate.get_by_test_id("people-village-door-waiting")).to_have_text("7")
    expect(gate.get_by_test_id("people-village-door-age")).to_contain_text("前")


def _rows(site: RunningSite, query: str, *values: object) -> list[tuple[str]]:
    try:
        return site.sql(query, *values)
    except sqlite3.OperationalError:  # held by a writer
        return []
