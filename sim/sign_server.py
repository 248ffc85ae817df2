"""A simulated display at a sign: takes lines as `devices/sign_display.py` sends them, shows them for their time, then nothing.

Listens on the loopback address only.
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from devices.loopback_port import HOST
from devices.sign_display import LINE_MAX, SignAnswer, SignMessage
from resort.clock import Clock
from resort.texts import Text


class SignServer:
    """`start`, look at `text`, `stop`. `mute` True: it shows and does not answer, as a broken one does."""

    def __init__(self, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self.mute = False
        self.told = 0
        self._clock = clock
        self._changed = changed
        self._message: SignMessage | None = None
        self._until_ns = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def text(self) -> Text | None:
        """What people read now; None: its own picture."""
        message = self._message
        if message is None or not message.en or self._clock.now().tick_ns >= self._until_ns:
            return None
        return Text(message.zh, message.en)

    async def start(self, port: int = 0) -> str:
        """Listen; answers the address."""
        self._server = await asyncio.start_server(self._serve, HOST, port, limit=LINE_MAX)
        return f"tcp://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    def hang_up(self) -> None:
        """Drop every connection, as a power cut does; the picture stays until its time is over."""
        for writer in self._writers:
            writer.transport.abort()

    async def stop(self) -> None:
        """Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.hang_up()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                message = msgspec.json.decode(line, type=SignMessage)
                self._message, self.told = message, self.told + 1
                self._until_ns = self._clock.now().tick_ns + message.valid_s * 1_000_000_000
                self._changed()
                if not self.mute:
                    writer.write(msgspec.json.encode(SignAnswer(message.number)) + b"\n")
                    await writer.drain()
        except (OSError, msgspec.MsgspecError, ValueError):
            pass  # whoever speaks nonsense, or is gone, is hung up on
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
