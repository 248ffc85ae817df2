"""MJPEG: parts cut from bytes in whatever pieces they come, and a camera that goes, lies, hangs up and returns."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.camera_frames import CameraFrame
from devices.mjpeg import MAX_FRAME_BYTES, MAX_HEAD_BYTES, MjpegCamera, PartParser
from resort.clock import SystemClock

WAIT_S = 30
Serve = Callable[[web.StreamResponse], Awaitable[None]]


def part(jpeg: bytes, *, with_length: bool = True, mark: bytes = b"--snow") -> bytes:
    length = b"Content-Length: %d\r\n" % len(jpeg) if with_length else b""
    return mark + b"\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + jpeg + b"\r\n"


# ---- parts


@given(
    bodies=st.lists(st.binary(min_size=1, max_size=60).filter(lambda body: b"--snow" not in body), max_size=5),
    with_length=st.booleans(),
    piece=st.integers(1, 40),
)
def test_parts_do_not_depend_on_how_the_bytes_are_cut(bodies: list[bytes], with_length: bool, piece: int) -> None:
    stream = b"junk\r\n" + b"".join(part(body, with_length=with_length) for body in bodies) + b"--snow--\r\n\r\n"
    parser = PartParser("snow")
    found = [jpeg for at in range(0, len(stream), piece) for jpeg in parser.feed(stream[at : at + piece])]
    assert found == bodies


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_any_bytes_give_parts_or_one_kind_of_error(pieces: list[bytes]) -> None:
    parser = PartParser("s", max_bytes=50)
    try:
        for piece in pieces:
            for found in parser.feed(b"--s" + piece):
                assert 0 < len(found) <= 50
    except ValueError:
        return


def test_a_boundary_inside_a_picture_of_known_length_does_not_cut_it() -> None:
    assert PartParser("snow").feed(part(b"ab--snow\r\n\r\ncd")) == [b"ab--snow\r\n\r\ncd"]


def test_dashes_in_the_parameter_and_bare_line_feeds_are_understood() -> None:
    assert PartParser("--snow").feed(b"--snow\nContent-length: 3\n\nabc\n") == [b"abc"]


def test_a_part_that_says_it_is_too_long_is_refused_before_its_bytes_are_kept() -> None:
    with pytest.raises(ValueError, match="101"):
        PartParser("snow", max_bytes=100).feed(part(b"x" * 101)[:60])


def test_a_part_without_length_is_refused_when_it_grows_too_long() -> None:
    parser = PartParser("snow", max_bytes=100)
    assert parser.feed(part(b"x" * 50, with_length=False)) == []
    with pytest.raises(ValueError, match="100"):
        parser.feed(b"x" * 60)


def test_a_part_without_length_that_comes_whole_is_refused_when_it_is_too_long() -> None:
    with pytest.raises(ValueError, match="101"):
        PartParser("snow", max_bytes=100).feed(part(b"x" * 99, with_length=False) + b"--snow")


@pytest.mark.parametrize("length", [b"-5", b"0x10", b"", b"99999999999", b"1e3", b"\xff"])
def test_a_length_that_is_no_number_is_no_length(length: bytes) -> None:
    stream = b"--snow\r\nContent-Length: " + length + b"\r\n\r\nabc\r\n--snow\r\n"
    assert PartParser("snow").feed(stream) == [b"abc"]


def test_an_endless_head_is_refused() -> None:
    with pytest.raises(ValueError, match="head"):
        PartParser("snow").feed(b"--snow\r\n" + b"x" * MAX_HEAD_BYTES)


def test_what_comes_before_the_first_boundary_is_not_kept() -> None:
    parser = PartParser("snow", max_bytes=100)
    for _ in range(10):
        assert parser.feed(b"x" * 1000) == []
    assert parser.feed(part(b"abc")) == [b"abc"]


# ---- a camera


class ScriptedCamera:
    """A real HTTP server whose n-th connection is served by the n-th step; the last step serves all further ones."""

    def __init__(self) -> None:
        self.url = ""
        self.content_type = "multipart/x-mixed-replace; boundary=snow"
        self.status = 200
        self.steps: list[Serve] = []
        self.connections = 0
        self.transport: asyncio.Transport | None = None  # of the newest connection
        self.visited = asyncio.Event()
        self.release = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=self.status, headers={"Content-Type": self.content_type})
        step = self.steps[min(self.connections, len(self.steps) - 1)]
        self.connections += 1
        await response.prepare(request)
        self.transport = request.transport
        self.visited.set()
        await step(response)
        return response

    async def send_one_and_stay(self, response: web.StreamResponse) -> None:
        await response.write(part(b"good"))
        await self.release.wait()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[ScriptedCamera]:
    scripted = ScriptedCamera()
    app = web.Application()
    app.router.add_get("/video.mjpg", scripted.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/video.mjpg"
    yield scripted
    scripted.release.set()
    await runner.cleanup()


async def next_of(camera: MjpegCamera) -> CameraFrame:
    async with asyncio.timeout(WAIT_S):
        frame = await camera.next_frame()
    assert frame is not None
    return frame


async def frames_after(served: ScriptedCamera, first: Serve) -> bytes:
    """What a camera delivers in the end whose first connection went as `first` does."""
    served.steps = [first, served.send_one_and_stay]
    camera = MjpegCamera(served.url, SystemClock())
    camera.start()
    try:
        return (await next_of(camera)).jpeg
    finally:
        await camera.close()


async def test_a_frame_bears_the_moment_of_its_last_byte(served: ScriptedCamera) -> None:
    clock = SystemClock()
    go = asyncio.Event()

    async def in_two_pieces(response: web.StreamResponse) -> None:
        whole = part(b"abcdef")
        await response.write(whole[:-5])
        await go.wait()
        await response.write(whole[-5:])
        await served.release.wait()

    served.steps = [in_two_pieces]
    camera = MjpegCamera(served.url, clock)
    camera.start()
    waiting = asyncio.create_task(next_of(camera))
    async with asyncio.timeout(WAIT_S):
        await served.visited.wait()
    between = clock.now()
    go.set()
    frame = await waiting
    assert frame.jpeg == b"abcdef"
    assert frame.at.tick_ns >= between.tick_ns
    assert camera.connected
    await camera.close()
    assert not camera.connected


async def test_the_newest_frame_wins_and_drops_are_counted(served: ScriptedCamera) -> None:
    async def three_at_once(response: web.StreamResponse) -> None:
        await response.write(part(b"1") + part(b"2") + part(b"3"))
        await served.release.wait()

    served.steps = [three_at_once]
    camera = MjpegCamera(served.url, SystemClock())
    camera.start()
    assert (await next_of(camera)).jpeg == b"3"
    assert (camera.received, camera.dropped) == (3, 2)
    await camera.close()


async def test_it_returns_after_the_camera_hung_up_in_the_middle_of_a_frame(served: ScriptedCamera) -> None:
    async def half(response: web.StreamResponse) -> None:
        await response.write(part(b"never whole")[:-6])
        assert served.transport is not None
        served.transport.abort()

    assert await frames_after(served, half) == b"good"


async def test_it_returns_after_the_camera_ended_its_stream(served: ScriptedCamera) -> None:
    async def nothing(response: web.StreamResponse) -> None:
        await response.write_eof()

    assert await frames_after(served, nothing) == b"good"


async def test_it_returns_after_an_oversized_part(served: ScriptedCamera) -> None:
    async def oversized(response: web.StreamResponse) -> None:
        await response.write(b"--snow\r\nContent-Length: 99999999\r\n\r\n")
        await served.release.wait()

    assert await frames_after(served, oversized) == b"good"


@pytest.mark.parametrize(
    ("status", "content_type"),
    [(503, "multipart/x-mixed-replace; boundary=snow"), (200, "text/html"), (200, "multipart/x-mixed-replace")],
)
async def test_an_answer_that_is_no_stream_is_told_once_and_tried_again(
    served: ScriptedCamera, status: int, content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    enough = asyncio.Event()

    async def count(response: web.StreamResponse) -> None:
        if served.connections >= 2:
            enough.set()

    served.status, served.content_type, served.steps = status, content_type, [count]
    camera = MjpegCamera(served.url, SystemClock())
    camera.start()
    async with asyncio.timeout(WAIT_S):
        await enough.wait()
    assert not camera.connected
    served.status, served.content_type, served.steps = (
        200,
        'multipart/x-mixed-replace; boundary="snow"',
        [served.send_one_and_stay],
    )
    assert (await next_of(camera)).jpeg == b"good"
    await camera.close()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_camera_without_lengths_is_understood(served: ScriptedCamera) -> None:
    async def without(response: web.StreamResponse) -> None:
        await response.write(part(b"first", with_length=False) + b"--snow\r\n")
        await served.release.wait()

    assert await frames_after(served, without) == b"first"


async def test_closing_ends_the_wait_for_a_frame(served: ScriptedCamera) -> None:
    async def silent(response: web.StreamResponse) -> None:
        await served.release.wait()

    served.steps = [silent]
    camera = MjpegCamera(served.url, SystemClock())
    camera.start()
    waiting = asyncio.create_task(camera.next_frame())
    async with asyncio.timeout(WAIT_S):
        await served.visited.wait()
    await camera.close()
    async with asyncio.timeout(WAIT_S):
        assert await waiting is None
    camera.start()
    assert await camera.next_frame() is None
    await camera.close()


# ---- a peer that is no web server


class RawPeer:
    """A socket that reads a request's head and answers the n-th connection with the n-th bytes, then hangs up.

    The last bytes serve all further connections, and are followed by silence.
    """

    def __init__(self, *answers: bytes) -> None:
        self.connections = 0
        self.url = ""
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "RawPeer":
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/video"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        self._writers.append(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answers[min(number, len(self._answers) - 1)])
            await writer.drain()
            if number >= len(self._answers) - 1:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the camera's user hung up first
        finally:
            writer.close()


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=snow\r\n\r\n"
GOOD = STREAM_HEAD + part(b"good")


async def first_frame(peer: RawPeer) -> bytes:
    async with peer:
        camera = MjpegCamera(peer.url, SystemClock())
        camera.start()
        try:
            return (await next_of(camera)).jpeg
        finally:
            await camera.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\x00\xff\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=\xff\xfe\r\n\r\n--\xff\xfe\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=snow\r\nContent-Encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=snow\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        STREAM_HEAD + b"--snow\r\nContent-Length: 100\r\n\r\nhalf a frame",
        STREAM_HEAD + b"--snow\r\nContent-Length: 9999999999\r\n\r\n",
        STREAM_HEAD + b"--snow\r\n" + b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
async def test_whatever_a_peer_says_the_camera_is_tried_again(answer: bytes) -> None:
    peer = RawPeer(answer, GOOD)
    assert await first_frame(peer) == b"good"
    assert peer.connections == 2


@settings(max_examples=15, deadline=None)
@given(
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", STREAM_HEAD, STREAM_HEAD + b"--snow\r\n\r\n"]),
    body=st.binary(max_size=300),
)
def test_any_bytes_from_a_socket_leave_the_camera_working(head: bytes, body: bytes) -> None:
    """In a loop of its own for each example, so that each leaves nothing behind."""

    async def look() -> None:
        async with RawPeer(head + body, GOOD) as peer:
            camera = MjpegCamera(peer.url, SystemClock())
            camera.start()
            try:
                while (frame := await next_of(camera)).jpeg != b"good":
                    assert 0 < len(frame.jpeg) <= MAX_FRAME_BYTES
            finally:
                await camera.close()

    asyncio.run(look())


async def test_a_camera_that_fell_silent_is_connected_to_again() -> None:
    async with RawPeer(GOOD) as peer:  # one frame, then nothing, at each connection
        camera = MjpegCamera(peer.url, SystemClock(), silent_s=0.05)
        camera.start()
        assert [(await next_of(camera)).jpeg for _ in range(3)] == [b"good"] * 3
        assert peer.connections >= 3
        await camera.close()


async def test_a_password_in_the_address_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    async with RawPeer(refusal, GOOD) as peer:
        camera = MjpegCamera(peer.url.replace("://", "://guard:s3cret@"), SystemClock())
        camera.start()
        assert (await next_of(camera)).jpeg == b"good"
        names = [task.get_name() for task in asyncio.all_tasks()]
        await camera.close()
    told = [*names, *(record.getMessage() for record in caplog.records)]
    assert any("is away: " in line for line in told)
    assert not [line for line in told if "s3cret" in line or "guard" in line]
