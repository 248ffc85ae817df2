"""The lamp on a relay board: real Modbus TCP, answered by a small board of the test's own."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from devices.lamp_relay import RelayLamp, open_lamp
from devices.modbus_bus import BusRegistry
from resort.errors import InvalidConfig, TurnstileUnreachable
from resort.site import LampSite

PATIENCE_S = 20.0
WRITE_COIL = 5


class RelayBoard:
    """Coils behind a TCP port. Notes every write; says nothing while `silent`."""

    def __init__(self) -> None:
        self.coils: dict[int, bool] = {}
        self.writes: list[tuple[int, int, bool]] = []  # unit, coil, value
        self.silent = False
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

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
                writer.write(request)


@pytest_asyncio.fixture
async def board() -> AsyncIterator[RelayBoard]:
    board = RelayBoard()
    await board.start()
    yield board
    await board.stop()


@pytest_asyncio.fixture
async def lamp(board: RelayBoard) -> AsyncIterator[RelayLamp]:
    lamp = open_lamp(BusRegistry(), LampSite(f"tcp://127.0.0.1:{board.port}", 3, red=10, green=11, amber=12))
    async with asyncio.timeout(PATIENCE_S):
        await lamp._handle.wait_connected()
    yield lamp
    await lamp.close()


async def test_colours_are_coils_and_only_what_changes_is_written(lamp: RelayLamp, board: RelayBoard) -> None:
    await lamp.light(frozenset({"green"}))
    assert board.coils == {10: False, 11: True, 12: False}
    board.writes.clear()
    await lamp.light(frozenset({"green", "amber"}))
    await lamp.light(frozenset({"green", "amber"}))
    assert board.writes == [(3, 12, True)]
    await lamp.light(frozenset())
    assert board.coils == {10: False, 11: False, 12: False}


async def test_after_a_failure_every_coil_is_written_again(lamp: RelayLamp, board: RelayBoard) -> None:
    await lamp.light(frozenset({"red"}))
    board.silent = True
    with pytest.raises(TurnstileUnreachable):
        await lamp.light(frozenset({"green"}))
    board.silent = False
    async with asyncio.timeout(PATIENCE_S):
        await lamp._handle.wait_connected()
    board.coils = {10: True, 11: True, 12: True}  # a board that lost power may come back with anything
    await lamp.light(frozenset({"red"}))
    assert board.coils == {10: True, 11: False, 12: False}


async def test_an_address_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(InvalidConfig):
        open_lamp(BusRegistry(), LampSite("gpio://4", 1, 0, 1, 2))
