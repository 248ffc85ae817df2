"""The cameras of the rehearsal: one HTTP server with an MJPEG stream for each lane, showing whatever scene stands there.

Frames are drawn once for all viewers of a lane, in a thread beside the event loop, so that the simulated controllers in the
same process answer meanwhile; a camera that nobody watches draws nothing. Back-pressure: newest wins, per viewer.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from resort.errors import NotFound, Unavailable
from sim.face_scene import FaceScene
from sim.scene import CameraLook, Scene, SceneRenderer

BOUNDARY = "snowgateframe"
EMPTY_EVERY_S = 1.0
EMPTY_FRAMES = 4  # drawn once and shown in turn: an empty lane looks much the same all day
CLOSE_S = 0.5
HOST = "127.0.0.1"


class _Viewer:
    """One open stream: the newest frame that was not sent yet."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, jpeg: bytes) -> None:
        self._newest = jpeg
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    async def next(self) -> bytes | None:
        """The next frame to send; None at the end."""
        while self._newest is None and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        jpeg, self._newest = self._newest, None
        return None if self._closed else jpeg


class _Stand:
    """What stands before one camera, and who watches."""

    def __init__(self) -> None:
        self.scene: Scene | FaceScene | None = None
        self.viewers: set[_Viewer] = set()
        self.changed = asyncio.Event()


class CameraServer:
    """Serves `/lanes/<id>.mjpg` on loopback: `fps` frames a second while somebody stands there, else one a second.

    Whoever comes or goes is seen at once: `show` starts a frame of its own.
    """

    def __init__(
        self, lane_ids: Iterable[str], fps: float = 6.0, look: CameraLook | None = None, *, steady: bool = False
    ) -> None:
        """`steady`: film as real cameras do, `fps` times a second whoever is there, and see nobody before the next frame."""
        self.port = 0
        self.frames_drawn = 0
        self.frames_shown = 0  # to whoever watches, those of an empty lane included
        self._steady = steady
        self._stands = {lane_id: _Stand() for lane_id in lane_ids}
        self._frame_s = 1.0 / fps
        self._renderer = SceneRenderer(look)
        self._empty: list[bytes] = []
        self._pen: ThreadPoolExecutor | None = None
        self._films: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `port` is known afterwards. Raises Unavailable when the port is taken."""
        app = web.Application()
        app.router.add_get("/lanes/{lane_id}.mjpg", self._stream)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            await runner.cleanup()
            raise Unavailable(f"Port {port} on {HOST}", "another program listens there, or it is not ours") from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])
        self._pen = ThreadPoolExecutor(max_workers=1, thread_name_prefix="camera pen")
        self._films = [
            asyncio.create_task(self._film(stand, self._pen), name=f"camera of {lane_id}")
            for lane_id, stand in self._stands.items()
        ]

    async def stop(self) -> None:
        """Hang up on everybody, also on who does not read. Idempotent; `start` may follow."""
        for film in self._films:
            film.cancel()
        await asyncio.gather(*self._films, return_exceptions=True)
        self._films = []
        for stand in self._stands.values():
            for viewer in stand.viewers:
                viewer.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        pen, self._pen = self._pen, None
        if pen is not None:
            await asyncio.to_thread(pen.shutdown)

    def url(self, lane_id: str) -> str:
        """Where a lane's stream is, once the server was started."""
        return f"http://{HOST}:{self.port}/lanes/{lane_id}.mjpg"

    def show(self, lane_id: str, scene: Scene | FaceScene | None) -> None:
        """Somebody holds something up at this lane's camera, or (None) walks away. Raises NotFound."""
        stand = self._stands.get(lane_id)
        if stand is None:
            raise NotFound("lane", lane_id)
        if scene is not stand.scene:
            stand.scene = scene
            stand.changed.set()

    async def _film(self, stand: _Stand, pen: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        number, due_s = 0, loop.time()
        while True:
            stand.changed.clear()
            scene = stand.scene
            if not stand.viewers:
                await stand.changed.wait()
                continue
            number += 1
            jpeg = await loop.run_in_executor(pen, self._draw, scene, number)
            if stand.scene is scene:  # who left while the frame was drawn is not seen any more
                self.frames_shown += 1
                for viewer in stand.viewers:
                    viewer.put(jpeg)
            if self._steady:
                due_s = max(due_s + self._frame_s, loop.time())
                await asyncio.sleep(due_s - loop.time())
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EMPTY_EVERY_S if scene is None else self._frame_s):
                    await stand.changed.wait()

    def _draw(self, scene: Scene | FaceScene | None, number: int) -> bytes:
        """Runs in the pen's thread only."""
        if scene is None:
            if len(self._empty) < EMPTY_FRAMES:
                self._empty.append(self._renderer.frame(None, len(self._empty)))
            return self._empty[number % len(self._empty)]
        self.frames_drawn += 1
        return scene.frame(number) if isinstance(scene, FaceScene) else self._renderer.frame(scene, number)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stand = self._stands.get(request.match_info["lane_id"])
        if stand is None:
            raise web.HTTPNotFound(text="There is no such lane.")
        response = web.StreamResponse(
            headers={"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        viewer = _Viewer()
        stand.viewers.add(viewer)
        stand.changed.set()
        try:
            while (jpeg := await viewer.next()) is not None:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                await response.write(head + jpeg + b"\r\n")
        except ConnectionError:
            pass  # the viewer hung up
        finally:
            stand.viewers.discard(viewer)
        return response
