"""The lamp on a relay board: real Modbus TCP, answered by a small board of the tests' own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from devices.lamp_relay import RelayLamp, open_lamp
from devices.modbus_bus import BusRegistry
from resort.errors import InvalidConfig, TurnstileUnreachable
from resort.site import LampSite
from tests.unit.devices.relay_board import RelayBoard

PATIENCE_S = 20.0


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
