"""`make picture`: the README's picture of the live console, taken from the running demo and kept small."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.running_site import RunningSite
from tests.web.chromium import chromium

GUESTS_S = 45.0
COLOURS = 64


def take(path: Path) -> None:
    """Open the demo, let guests come for a while, and store what the control room sees."""
    with tempfile.TemporaryDirectory(prefix="snowgate-picture-") as folder:
        site = RunningSite(Path(folder) / "data").wait_open()
        try:
            with chromium() as browser:
                context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 800}, color_scheme="light")
                page = context.new_page()
                page.goto(site.address)
                page.get_by_test_id("sign-in-name").fill("admin")
                page.get_by_test_id("sign-in-password").fill(site.password or "")
                page.get_by_test_id("sign-in-submit").click()
                expect(page.get_by_test_id("connection")).to_have_attribute("data-state", "connected", timeout=30_000)
                page.wait_for_timeout(GUESTS_S * 1000)
                shot = page.screenshot()
        finally:
            site.interrupt()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(shot)).convert("P", palette=Image.Palette.ADAPTIVE, colors=COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
