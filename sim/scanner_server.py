"""The hardware scanners of the rehearsal: one TCP port for each lane, which sends a line to whoever is connected.

Like the real ones it keeps nothing: a line that nobody was connected for is gone, and what a client does not fetch is lost.
"""

import asyncio
from collections.abc import Mapping
from typing import cast

from resort.errors import NotFound, Unavailable
from resort.site import ScannerLine
from sim.face_scene import FaceScene
from sim.scene import Scene

HOST = "127.0.0.1"
UNSENT_BYTES = 2**16  # a client that leaves so much unfetched gets no more until it fetches
_TERMINATORS = {"any": b"\r\n", "CR": b"\r", "LF": b"\n", "CRLF": b"\r\n"}


class ScannerServer:
    """Serves each lane's scanner on loopback until `stop`; `start` may follow, on the same ports."""

    def __init__(self, lines: Mapping[str, ScannerLine]) -> None:
        self._scanners = {lane_id: _Scanner(line) for lane_id, line in lines.items()}

    async def start(self) -> None:
        """Listen; addresses are known afterwards. Raises Unavailable when a port cannot be had."""
        try:
            for scanner in self._scanners.values():
                await scanner.start()
        except OSError as error:
            await self.stop()
            raise Unavailable(f"A scanner's port on {HOST}", str(error.strerror)) from error

    async def stop(self) -> None:
        """Hang up on everybody and free the ports. Idempotent."""
        for scanner in self._scanners.values():
            await scanner.stop()

    def url(self, lane_id: str) -> str:
        """Where a lane's scanner is, once the server was started. Raises NotFound."""
        return f"tcp://{HOST}:{self._scanner(lane_id).port}"

    def listeners(self, lane_id: str) -> int:
        """Clients connected to this lane's scanner now. Raises NotFound."""
        return len(self._scanner(lane_id).clients)

    async def until_listeners(self, lane_id: str, count: int) -> None:
        """Wait until exactly so many clients are connected. Raises NotFound."""
        scanner = self._scanner(lane_id)
        while len(scanner.clients) != count:
            scanner.changed.clear()
            await scanner.changed.wait()

    def present(self, lane_id: str, text: str) -> bool:
        """A code is held up: its line goes out, whole. False when nobody was there to take it. Raises NotFound."""
        return self._scanner(lane_id).send(text.encode())

    def send_raw(self, lane_id: str, data: bytes) -> bool:
        """Send these very bytes, as a scanner with a bad cable does. Raises NotFound."""
        return self._scanner(lane_id).write(data)

    def show(self, lane_id: str, scene: Scene | FaceScene | None) -> None:
        """What a guest holds up, as a camera would see it: read once, if it can be read at all. Raises NotFound."""
        scanner = self._scanner(lane_id)
        if scene is not None and scene.text is not None:
            scanner.send(scene.text.encode())

    def _scanner(self, lane_id: str) -> "_Scanner":
        if lane_id not in self._scanners:
            raise NotFound("scanner", lane_id)
        return self._scanners[lane_id]


class _Scanner:
    """One scanner's port."""

    def __init__(self, line: ScannerLine) -> None:
        self.port = 0
        self.clients: set[_Client] = set()
        self.changed = asyncio.Event()  # a client came or went
        self._before = line.prefix.encode()
        self._after = line.suffix.encode() + _TERMINATORS[line.terminator]
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), HOST, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        # asyncio (3.11) leaks the socket of a client that it lets in while the server closes: first let nobody in any more,
        # then let those come through who were let in in this very turn of the event loop.
        loop = asyncio.get_running_loop()
        for listener in server.sockets:
            loop.remove_reader(listener.fileno())
        await asyncio.sleep(0)
        server.close()
        gone = [client.hang_up() for client in self.clients]
        await asyncio.gather(*gone)
        await server.wait_closed()

    def send(self, text: bytes) -> bool:
        return self.write(self._before + text + self._after)

    def write(self, data: bytes) -> bool:
        return any([client.take(data) for client in self.clients])  # all of them, not only the first


class _Client(asyncio.Protocol):
    """One connection to a scanner. What it says is not listened to."""

    def __init__(self, scanner: _Scanner) -> None:
        self._scanner = scanner
        self._transport: asyncio.Transport | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody listens."""
        self._transport = cast(asyncio.Transport, transport)
        self._scanner.clients.add(self)
        self._scanner.changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody listens any more."""
        self._scanner.clients.discard(self)
        self._scanner.changed.set()
        if not self._gone.done():
            self._gone.set_result(None)

    def take(self, data: bytes) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > UNSENT_BYTES:
            return False
        self._transport.write(data)
        return True

    def hang_up(self) -> asyncio.Future[None]:
        assert self._transport is not None
        self._transport.abort()
        return self._gone
