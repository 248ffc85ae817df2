"""A bad line to the ledger: a TCP port that leads to a Valkey's socket, and that can be cut or slowed while in use.

A cut line drops, it does not reset: connections stay open, nothing goes through, and what was sent meanwhile arrives when the
line is back, as TCP's own repetitions make it. That is the nasty case: a grant that timed out is executed much later.
"""

import asyncio
import contextlib

CHUNK = 65_536


class LedgerProxy:
    """One line. `start` it, use `url`, `cut` and `mend` it, `stop` it."""

    def __init__(self, socket: str) -> None:
        self.delay_s = 0.0  # added to every answer
        self.port = 0
        self._socket = socket
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What the site is told."""
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """From now on nothing goes through."""
        self._whole.clear()

    def mend(self) -> None:
        """Everything goes through again, first of all what waits."""
        self._whole.set()

    async def stop(self) -> None:
        """Hang up on everybody. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        pumps = list(self._pumps)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        try:
            await self._whole.wait()  # who connects to a cut line gets no answer either
            up_reader, up_writer = await asyncio.open_unix_connection(self._socket)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, up_writer, asked=True))
                    group.create_task(self._pump(up_reader, writer, asked=False))
            finally:
                await _close(up_writer)
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one of the ends went away, and so do we
        finally:
            await _close(writer)
            self._pumps.discard(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, asked: bool) -> None:
        while data := await source.read(CHUNK):
            await self._whole.wait()
            if self.delay_s and not asked:
                await asyncio.sleep(self.delay_s)
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("the other end hung up")  # ends its fellow too


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
