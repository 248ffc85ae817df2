"""A TCP port of our own on the loopback address, for taps and simulated devices: whoever is connected is gone after `stop`."""

import asyncio
from collections.abc import Awaitable, Callable

HOST = "127.0.0.1"


class LoopbackPort:
    """`start`, then `stop`, then perhaps `start` again on the same port.

    `serve` is run for each connection until it returns or `stop` cancels it; it closes what it was given in any case.
    """

    def __init__(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], port: int = 0) -> None:
        self.port = port  # 0: any free one
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_server(self._take, HOST, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and hang up on everybody. Idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the other end is gone; or `stop`
        finally:
            self._tasks.discard(task)
