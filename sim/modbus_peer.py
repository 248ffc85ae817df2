"""The far end of a Modbus TCP bus without any manners: it answers late, wrongly, in halves or not at all, as it is told.

Knows frames but no registers; the well-behaved controller is `sim/turnstile_server.py`.
"""

import asyncio
import struct

from devices.loopback_port import LoopbackPort


class ModbusPeer:
    """Whoever holds it sees each request and writes whatever it likes to the request's connection, when it likes.

    Waits end in TimeoutError after 10 s.
    """

    def __init__(self) -> None:
        self.requests: asyncio.Queue[tuple[bytes, asyncio.StreamWriter]] = asyncio.Queue()
        self.hung_up: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self.connections = 0
        self._listener = LoopbackPort(self._serve)

    @property
    def port(self) -> int:
        """Where it listens, once it was started."""
        return self._listener.port

    async def start(self) -> None:
        """Listen on a free port of the loopback address, after a `stop` on the same one."""
        await self._listener.start()

    async def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        await self._listener.stop()

    async def next_request(self) -> tuple[bytes, asyncio.StreamWriter]:
        """The next whole frame that came, and where an answer goes."""
        async with asyncio.timeout(10):
            return await self.requests.get()

    async def next_hang_up(self) -> asyncio.StreamWriter:
        """The next connection that a client closed."""
        async with asyncio.timeout(10):
            return await self.hung_up.get()

    async def let_client_read(self) -> None:
        """Return when the client under test has read what was written: a younger connection is served after older data."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.close()
        await writer.wait_closed()
        await self.next_hang_up()
        self.connections -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:], "big"))
                self.requests.put_nowait((head + body, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.hung_up.put_nowait(writer)
        finally:
            writer.close()


def answer(request: bytes, *words: int, transaction: int | None = None) -> bytes:
    """The normal answer to a read of input registers; `transaction` other than the request's for a confused peer."""
    body = struct.pack(f">BBB{len(words)}H", request[6], 4, 2 * len(words), *words)
    head = request[:2] if transaction is None else struct.pack(">H", transaction)
    return head + b"\0\0" + struct.pack(">H", len(body)) + body
