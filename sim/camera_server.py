"""The cameras of the rehearsal: one HTTP server with an MJPEG stream for each lane, showing whatever scene stands there."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from sim.scene import CameraLook, Scene, SceneRenderer

BOUNDARY = "snowgateframe"
EMPTY_EVERY_S = 1.0
CLOSE_S = 1.0


class _Stand:
    """What stands before one camera. Counts changes, so that a stream notices each of them."""

    def __init__(self) -> None:
        self.scene: Scene | None = None
        self.changed = asyncio.Event()


class CameraServer:
    """Serves `/lanes/<id>.mjpg` on loopback. While somebody stands there `fps` frames a second, otherwise one."""

    def __init__(self, lane_ids: Iterable[str], fps: float = 6.0, look: CameraLook | None = None) -> None:
        self.port = 0
        self._stands = {lane_id: _Stand() for lane_id in lane_ids}
        self._frame_s = 1.0 / fps
        self._renderer = SceneRenderer(look)
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on loopback; `port` is known afterwards."""
        app = web.Application()
        app.router.add_get("/lanes/{lane_id}.mjpg", self._stream)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Hang up on everybody. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def url(self, lane_id: str) -> str:
        """Where a lane's stream is."""
        return f"http://127.0.0.1:{self.port}/lanes/{lane_id}.mjpg"

    def show(self, lane_id: str, scene: Scene | None) -> None:
        """Somebody holds something up at this lane's camera, or (None) walks away."""
        stand = self._stands[lane_id]
        stand.scene = scene
        stand.changed.set()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stand = self._stands.get(request.match_info["lane_id"])
        if stand is None:
            raise web.HTTPNotFound(text="There is no such lane.")
        response = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
        await response.prepare(request)
        number = 0
        while True:
            number += 1
            scene = stand.scene
            stand.changed.clear()
            jpeg = self._renderer.frame(scene, number)
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            try:
                await response.write(head + jpeg + b"\r\n")
            except ConnectionError:
                return response
            try:
                async with asyncio.timeout(self._frame_s if scene is not None else EMPTY_EVERY_S):
                    await stand.changed.wait()
            except TimeoutError:
                continue
