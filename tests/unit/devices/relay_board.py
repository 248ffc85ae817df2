"""A Modbus relay board of the tests' own: coils behind a TCP port."""

import asyncio
import contextlib
import struct
from collections.abc import Callable

PATIENCE_S = 20.0
WRITE_COIL = 5


class RelayBoard:
    """Coils behind a TCP port. Notes every write; says nothing while `silent`."""

    def __init__(self) -> None:
        self.coils: dict[int, bool] = {}
        self.writes: list[tuple[int, int, bool]] = []  # unit, coil, value
        self.silent = False
        self._writers: list[asyncio.StreamWriter] = []
        self._written = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until that is so after some write."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._written.clear()
                await self._written.wait()

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                request = await reader.readexactly(12)
                _, _, _, unit, function, coil, value = struct.unpack(">HHHBBHH", request)
                assert function == WRITE_COIL
                if self.silent:
                    continue
                self.coils[coil] = value == 0xFF00
                self.writes.append((unit, coil, self.coils[coil]))
                self._written.set()
                writer.write(request)
