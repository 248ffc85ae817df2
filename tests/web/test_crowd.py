"""The crowd brain's panel in a real Chromium, on a real resort: it proposes, staff accept, the lane closes, and why."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.crowd_site import crowd_site
from tests.running_site import RunningSite
from tests.web.chromium import chromium

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(600)]

PATIENCE_MS = 90_000
PROPOSAL = "crowd-proposal-close_lane-village-3"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    site = crowd_site(tmp_path_factory.mktemp("crowd"))
    yield site
    site.kill_all()


@pytest.fixture
def page(site: RunningSite) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 1000}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(site.address)
        page.get_by_test_id("sign-in-name").fill("admin")
        page.get_by_test_id("sign-in-password").fill(site.password or "")
        page.get_by_test_id("sign-in-submit").click()
        yield page
        assert problems == []


def test_staff_accept_a_proposal_by_keyboard_and_see_what_was_done_and_why(
    page: Page, site: RunningSite, tmp_path: Path
) -> None:
    expect(page.get_by_test_id("crowd-mode-confirm")).to_have_attribute("aria-checked", "true", timeout=PATIENCE_MS)
    proposal = page.get_by_test_id(PROPOSAL)
    expect(proposal).to_contain_text("关闭通道 · 山门 · 3 号", timeout=PATIENCE_MS)
    expect(proposal).to_contain_text(re.compile(r"条通道已足够.*等候", re.DOTALL))
    expect(page.get_by_test_id("crowd-sign-car-park")).to_contain_text("山门")
    expect(page.get_by_test_id("crowd-model-scans")).to_contain_text("漂移未知")  # nobody has shown an odd code yet
    proposal.get_by_test_id("crowd-accept").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("crowd-act-close_lane-village-3")).to_contain_text("admin 执行", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("lane-village-3")).to_have_attribute("data-state", "closed", timeout=PATIENCE_MS)
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("crowd-act-close_lane-village-3")).to_contain_text("Done by admin")
    page.screenshot(path=tmp_path / "crowd.png", full_page=True)
    page.get_by_test_id("crowd-mode-advise").click()
    expect(page.get_by_test_id("crowd")).to_have_attribute("data-mode", "advise", timeout=PATIENCE_MS)
    expect(page.get_by_test_id("crowd-accept")).to_have_count(0)
    # Nobody keeps the lane closed any more: the gate opens it when the lease is over.
    expect(page.get_by_test_id("lane-village-3")).to_have_attribute("data-state", "ready", timeout=2 * PATIENCE_MS)
