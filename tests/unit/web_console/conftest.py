"""A console on an ephemeral port, and clients of every kind. Everything is closed, and leaks fail the test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.unit.web_console.fakes import PASSWORD, QUICK, FakeResort
from web_console.window import ConsoleWindow


@pytest.fixture(autouse=True)
async def _no_task_leaks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    # Connections that a test let go of close within a few turns of the loop.
    async with asyncio.timeout(10):
        while left := {task for task in asyncio.all_tasks() - before - {asyncio.current_task()} if not task.done()}:
            await asyncio.wait(left, timeout=0.05)


@pytest.fixture
def resort() -> FakeResort:
    return FakeResort()


@pytest.fixture
def static_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Snowgate</title>", encoding="utf-8")
    (folder / "assets" / "index-4f2a.js").write_text("export {};", encoding="utf-8")
    (folder / "favicon.svg").write_text("<svg/>", encoding="utf-8")
    (folder / ".secret.txt").write_text("no", encoding="utf-8")
    (tmp_path / "outside.txt").write_text("no", encoding="utf-8")
    return folder


@pytest.fixture
async def url(resort: FakeResort, static_folder: Path) -> AsyncIterator[str]:
    window = ConsoleWindow(static_folder, QUICK)
    address = await window.start(resort.opened())
    yield address
    await window.stop()


@pytest.fixture
async def client(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that nobody knows."""
    async with aiohttp.ClientSession(url) as session:
        yield session


@pytest.fixture
async def as_staff(url: str) -> AsyncIterator[Callable[[str], object]]:
    """Makes clients signed in by cookie."""
    opened: list[aiohttp.ClientSession] = []

    async def sign_in(name: str) -> aiohttp.ClientSession:
        # Unsafe: cookies of a bare IP address.
        session = aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        opened.append(session)
        async with session.post("/api/session", json={"name": name, "password": PASSWORD}) as answer:
            assert answer.status == 201
        return session

    yield sign_in
    for session in opened:
        await session.close()


@pytest.fixture
async def as_channel(url: str) -> AsyncIterator[Callable[[str], aiohttp.ClientSession]]:
    """Makes clients that bring a channel key."""
    opened: list[aiohttp.ClientSession] = []

    def bring(key: str) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key}"})
        opened.append(session)
        return session

    yield bring
    for session in opened:
        await session.close()
