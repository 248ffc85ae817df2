"""Fixtures for every test, and the watch for what a test leaves behind: tasks, threads' sockets, child processes."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from orchestrator.settings import load_site
from resort.site import Site
from storage.redis_client import connect
from storage.valkey_server import ValkeyServer

DEMO = Path(__file__).parent.parent / "config" / "demo.yaml"

# Hypothesis gives an example 200 ms by the wall clock, and its making a second: on a busy machine a pause fails a sound test.
settings.register_profile("snowgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("snowgate")


@pytest.fixture(scope="session")
def demo_site() -> Site:
    """The bundled demo resort."""
    return load_site(DEMO)


@pytest.fixture(autouse=True)
def _watch_for_leaks(request: pytest.FixtureRequest) -> None:
    """Async tests are watched. Browser tests are not async, and their driver has a loop of its own running."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("_nothing_left_behind")


@pytest_asyncio.fixture
async def _nothing_left_behind() -> AsyncIterator[None]:
    """Fail the test that leaves a task running; sockets that leak are ResourceWarnings, which are errors."""
    yield
    current = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not current and not task.done()]
    names = [task.get_name() for task in left]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    assert not names, f"tasks left running: {names}"


@pytest.fixture
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for a unix socket."""
    return tmp_path_factory.mktemp("s")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A real Valkey for the whole session; each test uses a site name of its own or flushes."""
    folder = tmp_path_factory.mktemp("v")
    server = ValkeyServer(folder / "data", folder / "s.sock")
    await server.start()
    yield server.url
    await server.stop()


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """A client on an empty store."""
    client = connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="session", autouse=True)
def _no_process_left() -> Iterator[None]:
    """At the end no process that the tests started may live."""
    yield
    left = [child.name() for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"processes left running: {left}"
