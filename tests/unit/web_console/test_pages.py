"""The built pages, their caching, and the sentence in place of pages that are not built."""

from pathlib import Path

import aiohttp
import pytest

from tests.unit.web_console.answers import assert_problem
from tests.unit.web_console.fakes import QUICK, FakeResort
from web_console.pages import CONTENT_TYPES
from web_console.window import ConsoleWindow


async def test_the_page_is_asked_for_each_time(client: aiohttp.ClientSession) -> None:
    async with client.get("/") as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "<title>Snowgate</title>" in await answer.text()
        tag = answer.headers["ETag"]
    async with client.get("/", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


async def test_hashed_files_are_kept_for_ever(client: aiohttp.ClientSession) -> None:
    async with client.get("/assets/index-4f2a.js") as answer:
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_head(client: aiohttp.ClientSession) -> None:
    for path in ("/", "/assets/index-4f2a.js", "/favicon.svg", "/api/health"):
        async with client.head(path) as answer:
            assert answer.status in {200, 503}
            assert await answer.read() == b""


async def test_a_missing_asset_is_not_cached(client: aiohttp.ClientSession) -> None:
    async with client.get("/assets/index-0000.js") as answer:
        await assert_problem(answer, 404, "not_found")


async def test_a_folder_with_a_files_name_is_not_found(client: aiohttp.ClientSession, static_folder: Path) -> None:
    (static_folder / "assets" / "folder.js").mkdir()
    (static_folder / "assets" / "program.exe").write_text("no", encoding="utf-8")
    for path in ("/assets/folder.js", "/assets/program.exe"):
        async with client.get(path) as answer:
            await assert_problem(answer, 404, "not_found")


@pytest.mark.parametrize("build", [False, True])
async def test_pages_that_are_not_built(tmp_path: Path, resort: FakeResort, build: bool) -> None:
    window = ConsoleWindow(tmp_path / "static", QUICK)
    address = await window.start(resort.opened())
    if build:  # while the console runs
        (tmp_path / "static").mkdir()
        (tmp_path / "static" / "index.html").write_text("now", encoding="utf-8")
    async with aiohttp.ClientSession(address) as client, client.get("/") as answer:
        if build:
            assert await answer.text() == "now"
        else:
            problem = await assert_problem(answer, 503, "pages_not_built")
            assert "make install" in str(problem["detail"])
    await window.stop()


def test_types_are_known_for_all_that_vite_makes() -> None:
    assert {".html", ".js", ".css", ".svg", ".woff2", ".png", ".json"} <= set(CONTENT_TYPES)
