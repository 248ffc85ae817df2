"""A people sensor, and a display, that a real resort connects to: servers in threads of their own beside a test."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from devices.loopback_port import HOST
from resort.clock import SystemClock
from sim.sign_server import SignServer

EVERY_S = 0.2


class LineSensor:
    """Sends the line `says` again and again to whoever connects."""

    def __init__(self) -> None:
        self.says = ""
        self.url = ""
        self._over = False

    async def start(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.url = f"tcp://{HOST}:{server.sockets[0].getsockname()[1]}"
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while not self._over and not writer.is_closing():
                writer.write(self.says.encode() + b"\n")
                await writer.drain()
                await asyncio.sleep(EVERY_S)
        writer.close()

    def stop(self) -> None:
        """Hang up within `EVERY_S`."""
        self._over = True


@contextlib.contextmanager
def devices_beside(*sensors: LineSensor, display: SignServer | None = None) -> Iterator[str]:
    """Serve them in a thread until the context ends; answers the display's address."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    address = ""

    async def serve() -> None:
        nonlocal address
        servers = [await sensor.start() for sensor in sensors]
        if display is not None:
            address = await display.start()
        ready.set()
        await over.wait()
        if display is not None:
            await display.stop()
        for sensor in sensors:
            sensor.stop()
        for server in servers:
            server.close()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=5)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="devices beside the test")
    thread.start()
    ready.wait(10)
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def simulated_display() -> SignServer:
    """One by the real clock."""
    return SignServer(SystemClock())
