"""The simulated cameras: frames while somebody stands there, fresh ones at each change, several viewers, a clean end."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from resort.clock import SystemClock
from resort.errors import NotFound, Unavailable
from sim.camera_server import CameraServer
from sim.scene import Scene

WAIT_S = 30


@pytest_asyncio.fixture
async def server() -> AsyncIterator[CameraServer]:
    cameras = CameraServer(["a", "b"], fps=30.0)
    await cameras.start()
    yield cameras
    await cameras.stop()


class Watcher:
    """A real client that reads the codes it sees."""

    def __init__(self, url: str) -> None:
        self.camera = MjpegCamera(url, SystemClock())
        self.reader = CodeReader()
        self.camera.start()

    async def sees(self) -> str | None:
        async with asyncio.timeout(WAIT_S):
            frame = await self.camera.next_frame()
        assert frame is not None
        return self.reader.read(frame.jpeg).text

    async def until(self, text: str | None) -> None:
        async with asyncio.timeout(WAIT_S):
            while await self.sees() != text:
                pass


@pytest_asyncio.fixture
async def watchers(server: CameraServer) -> AsyncIterator[list[Watcher]]:
    opened = [Watcher(server.url("a")), Watcher(server.url("a")), Watcher(server.url("b"))]
    yield opened
    for watcher in opened:
        await watcher.camera.close()


async def test_every_viewer_of_a_lane_sees_who_stands_there(server: CameraServer, watchers: list[Watcher]) -> None:
    first, second, elsewhere = watchers
    server.show("a", Scene("GUEST AT A", 1))
    await first.until("GUEST AT A")
    await second.until("GUEST AT A")
    server.show("b", Scene("GUEST AT B", 2))
    await elsewhere.until("GUEST AT B")
    assert await first.sees() == "GUEST AT A"


async def test_who_leaves_is_gone_with_the_next_frame(server: CameraServer, watchers: list[Watcher]) -> None:
    watcher = watchers[0]
    for number in range(3):
        server.show("a", Scene(f"GUEST {number}", number))
        await watcher.until(f"GUEST {number}")
        server.show("a", None)
        await watcher.until(None)
        assert await watcher.sees() is None


async def test_frames_go_on_while_somebody_stands_there(server: CameraServer, watchers: list[Watcher]) -> None:
    server.show("a", Scene("PATIENT", 1))
    await watchers[0].until("PATIENT")
    assert [await watchers[0].sees() for _ in range(6)] == ["PATIENT"] * 6


async def test_a_camera_that_nobody_watches_draws_nothing(server: CameraServer) -> None:
    server.show("a", Scene("UNSEEN", 1))
    seen = Watcher(server.url("b"))
    await seen.until(None)
    await seen.until(None)
    assert server.frames_drawn == 0
    await seen.camera.close()


async def test_unknown_lanes_are_refused(server: CameraServer) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        server.show("nowhere", None)
    async with aiohttp.ClientSession() as session, session.get(server.url("nowhere")) as answer:
        assert answer.status == 404


async def test_a_taken_port_is_told(server: CameraServer) -> None:
    other = CameraServer(["a"])
    with pytest.raises(Unavailable, match=str(server.port)):
        await other.start(server.port)
    await other.stop()


async def test_stopping_hangs_up_and_frees_the_port(server: CameraServer, watchers: list[Watcher]) -> None:
    await watchers[0].sees()
    port = server.port
    async with asyncio.timeout(WAIT_S):
        await server.stop()
        await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    server.show("a", Scene("BACK AGAIN", 1))
    await server.start(port)
    await watchers[0].until("BACK AGAIN")


async def test_stopping_does_not_wait_for_a_viewer_that_never_reads(server: CameraServer, watchers: list[Watcher]) -> None:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", server.port))
        await loop.sock_sendall(deaf, b"GET /lanes/a.mjpg HTTP/1.1\r\nHost: x\r\n\r\n")
        server.show("a", Scene("BIG FRAMES", 1))
        for _ in range(40):
            await watchers[0].sees()  # others are served meanwhile
        async with asyncio.timeout(WAIT_S):
            await server.stop()


async def test_a_steady_camera_films_an_empty_lane_as_often_as_a_full_one() -> None:
    cameras = CameraServer(["a"], fps=60.0, steady=True)
    await cameras.start()
    watcher = Watcher(cameras.url("a"))
    try:
        seen = [await watcher.sees() for _ in range(20)]  # a camera that idles shows one a second
        assert seen == [None] * 20
        assert cameras.frames_shown >= 20
        cameras.show("a", Scene("GUEST", 1))
        await watcher.until("GUEST")
        cameras.show("a", None)
        await watcher.until(None)
    finally:
        await watcher.camera.close()
        await cameras.stop()
