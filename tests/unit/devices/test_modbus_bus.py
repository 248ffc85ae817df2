"""Shared buses against a raw peer that answers late, wrongly, in halves or not at all."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import psutil
import pytest
from pymodbus.pdu import ModbusPDU

from devices.modbus_bus import BusRegistry, BusSettings, UnitHandle, parse_bus
from devices.unit_trust import REST_S
from resort.errors import InvalidConfig, TurnstileUnreachable
from sim.modbus_peer import ModbusPeer, answer
from tests.unit.devices import leased_units
from tests.unit.devices.leased_units import HASTY_MS, PATIENT_MS, pulse, read


@pytest.fixture
async def peer() -> AsyncIterator[ModbusPeer]:
    peer = ModbusPeer()
    await peer.start()
    yield peer
    await peer.stop()


def leased(
    peer: ModbusPeer, timeout_ms: int, *units: int, shared: bool = False
) -> AbstractAsyncContextManager[list[UnitHandle]]:
    return leased_units.leased(BusSettings("127.0.0.1", peer.port, timeout_ms, shared), *units)


async def fails(call: "asyncio.Task[ModbusPDU] | UnitHandle", request: ModbusPDU | None = None) -> TurnstileUnreachable:
    """The error that a call ends in."""
    task = start(call, request) if isinstance(call, UnitHandle) else call
    with pytest.raises(TurnstileUnreachable) as caught:
        await asyncio.wait_for(task, 10)
    return caught.value


def start(handle: UnitHandle, request: ModbusPDU | None = None) -> asyncio.Task[ModbusPDU]:
    return asyncio.create_task(handle.transact(request or read()))


async def next_of_unit(peer: ModbusPeer) -> tuple[int, tuple[bytes, asyncio.StreamWriter]]:
    """The next request, with its unit."""
    request, writer = await peer.next_request()
    return request[6], (request, writer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the ordinary way ---


async def test_a_request_reaches_its_unit_and_gets_its_answer(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 9) as (handle,):
        call = start(handle, read(2))
        request, writer = await peer.next_request()
        assert request[6:] == bytes([9, 4, 0, 0, 0, 2])
        writer.write(answer(request, 11, 22))
        assert list((await call).registers) == [11, 22]


async def test_a_unit_has_one_request_under_way_and_its_neighbours_have_theirs(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1, 2) as (first, second):
        calls = [start(first), start(first), start(second)]
        asked = dict([await next_of_unit(peer), await next_of_unit(peer)])
        await peer.let_client_read()
        assert peer.requests.empty()
        assert peer.connections == 2
        for unit, (request, writer) in sorted(asked.items()):
            writer.write(answer(request, 10 * unit))
        request, writer = await peer.next_request()
        writer.write(answer(request, 11))
        assert [list((await call).registers) for call in calls] == [[10], [11], [20]]


async def test_units_that_share_a_connection_take_turns(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1, 2, shared=True) as (first, second):
        calls = [start(first), start(second)]
        request, writer = await peer.next_request()
        await peer.let_client_read()
        assert peer.requests.empty()
        writer.write(answer(request, 1))
        request, writer = await peer.next_request()
        writer.write(answer(request, 2))
        assert [list((await call).registers) for call in calls] == [[1], [2]]
        assert peer.connections == 1


async def test_the_connection_closes_behind_the_last_user(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1, 2, shared=True) as (first, second):
        await first.close()
        await first.close()
        call = start(second)
        request, writer = await peer.next_request()
        writer.write(answer(request, 5))
        await call
        assert (await fails(first)).detail == "its connection was given back"
        assert peer.hung_up.empty()
        await second.close()
        assert not [held for held in psutil.Process().net_connections("tcp") if held.raddr and held.raddr.port == peer.port]
        await peer.next_hang_up()


async def test_a_bus_can_be_leased_again_after_it_was_closed(peer: ModbusPeer) -> None:
    registry = BusRegistry()
    for timeout_ms in (PATIENT_MS, HASTY_MS):  # the settings of a closed bus bind nobody
        handle = registry.lease(BusSettings("127.0.0.1", peer.port, timeout_ms), 1)
        await handle.wait_first_attempt()
        assert handle.connected
        await handle.close()
    assert peer.connections == 2


async def test_clashing_settings_are_refused_and_agreeing_ones_share(peer: ModbusPeer) -> None:
    registry = BusRegistry()
    settings = BusSettings("127.0.0.1", peer.port, 300, shared=True)
    first = registry.lease(settings, 1)
    with pytest.raises(InvalidConfig, match="300 ms"):
        registry.lease(BusSettings("127.0.0.1", peer.port, 500, shared=True), 2)
    with pytest.raises(InvalidConfig, match="one connection"):
        registry.lease(BusSettings("127.0.0.1", peer.port, 300), 2)
    second = registry.lease(BusSettings("127.0.0.1", peer.port, 300, shared=True), 2)
    await second.wait_connected()
    await first.close()
    assert second.connected
    await second.close()
    assert peer.connections == 1


@pytest.mark.parametrize("unit", [-1, 256])
async def test_a_unit_outside_the_byte_is_refused_and_opens_nothing(unit: int) -> None:
    with pytest.raises(InvalidConfig):
        BusRegistry().lease(BusSettings("127.0.0.1", 9, 300), unit)
    assert len(asyncio.all_tasks()) == 1


# --- failures ---


async def test_without_a_peer_calls_fail_at_once() -> None:
    handle = BusRegistry().lease(BusSettings("127.0.0.1", free_port(), PATIENT_MS), 1)
    assert (await fails(handle)).detail == "not connected"  # not even the first attempt is waited for
    await handle.wait_first_attempt()
    error = await fails(handle)
    assert error.detail == "not connected"
    assert "unit 1" in error.part
    await handle.close()


async def test_silence_is_a_time_out_and_nothing_is_sent_twice(peer: ModbusPeer) -> None:
    async with leased(peer, HASTY_MS, 1) as (handle,):
        assert (await fails(handle)).detail == f"no answer within {HASTY_MS} ms"
        await peer.next_request()
        await peer.let_client_read()
        assert peer.requests.empty()
        assert peer.connections == 1


async def test_an_unconfirmed_order_is_called_back_with_the_connection(peer: ModbusPeer) -> None:
    async with leased(peer, HASTY_MS, 1) as (handle,):
        assert (await fails(handle, pulse())).detail == f"no answer within {HASTY_MS} ms"
        request, writer = await peer.next_request()
        assert request[7] == 5
        assert await peer.next_hang_up() is writer
        async with asyncio.timeout(10):
            await handle.wait_connected()
        assert peer.requests.empty()


async def test_two_silences_in_a_row_make_a_new_connection(peer: ModbusPeer) -> None:
    async with leased(peer, HASTY_MS, 1) as (handle,):
        await fails(handle)
        await fails(handle)
        await peer.next_hang_up()
        async with asyncio.timeout(10):
            await handle.wait_connected()
        call = start(handle, read(2))
        for _ in range(2):
            assert (await peer.next_request())[0][11] == 1
        request, writer = await peer.next_request()
        assert request[11] == 2
        writer.write(answer(request, 3, 4))
        assert list((await call).registers) == [3, 4]
        assert peer.connections == 2


async def test_who_waits_in_the_queue_of_a_silent_unit_sends_nothing(peer: ModbusPeer) -> None:
    async with leased(peer, HASTY_MS, 1) as (handle,):
        silent, queued = start(handle), start(handle, pulse())
        assert "nothing was sent" in (await fails(queued)).detail
        assert "no answer" in (await fails(silent)).detail
        assert (await peer.next_request())[0][7] == 4
        assert peer.requests.empty()


async def test_who_waits_too_long_for_a_place_on_the_bus_sends_nothing(peer: ModbusPeer) -> None:
    units = range(1, 9)
    async with leased(peer, HASTY_MS, *units, shared=True) as handles:
        calls = [start(handle, pulse()) for handle in handles]
        await asyncio.wait(calls)
        details = [error.detail for call in calls if isinstance(error := call.exception(), TurnstileUnreachable)]
        assert details[-1] in ("the bus is busy, nothing was sent", "not connected")
        assert peer.requests.qsize() <= 2


async def test_a_lost_connection_fails_the_waiting_request_long_before_its_time_out(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1, 2, shared=True) as (first, second):
        waiting, queued = start(first), start(second)
        _, writer = await peer.next_request()
        writer.close()
        assert (await fails(waiting)).detail == "the connection was lost"
        assert (await fails(queued)).detail == "not connected"


async def test_the_bus_heals_when_its_peer_returns(peer: ModbusPeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with leased(peer, PATIENT_MS, 1) as (handle,):
        waiting = start(handle)
        await peer.next_request()
        await peer.stop()
        await fails(waiting)
        for _ in range(3):
            await handle.next_attempt()
            assert (await fails(handle)).detail == "not connected"
        await peer.start()
        async with asyncio.timeout(10):
            await handle.wait_connected()
        call = start(handle)
        request, writer = await peer.next_request()
        writer.write(answer(request, 8))
        assert list((await call).registers) == [8]
    # The edges, once each, however many calls failed in between.
    assert [record.levelname for record in caplog.records if record.name != "asyncio"] == ["WARNING", "INFO"]


async def test_an_exception_answer_is_told_and_keeps_the_connection(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1) as (handle,):
        for code in (2, 11):
            call = start(handle)
            request, writer = await peer.next_request()
            writer.write(request[:4] + bytes([0, 3, 1, 0x84, code]))
            assert f"exception {code} " in (await fails(call)).detail
        assert peer.connections == 1
        assert handle.connected


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 300,
        bytes([0, 1, 0, 0, 0, 5, 1, 4, 4, 0, 1]),  # announces two registers, brings one
        bytes([0, 1, 0, 0, 0, 3, 1, 0x2B, 0]),  # a function that nobody asked for
        bytes([0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 1]),  # a right answer to another function
        bytes([0, 1, 0, 0, 0, 7, 1, 4, 4, 0, 1, 0, 2]),  # more registers than were asked for
        bytes([0, 0, 0, 0, 0, 5, 1, 4, 2, 0, 1]),  # transaction 0, which pymodbus takes for any
    ],
)
async def test_nonsense_costs_the_connection_and_no_more(peer: ModbusPeer, nonsense: bytes) -> None:
    async with leased(peer, PATIENT_MS, 1) as (handle,):
        call = start(handle)
        _, writer = await peer.next_request()
        writer.write(nonsense)
        assert (await fails(call)).detail == "it answered nonsense"
        await peer.next_hang_up()
        async with asyncio.timeout(10):
            await handle.wait_connected()
        call = start(handle)
        request, writer = await peer.next_request()
        writer.write(answer(request, 4))
        assert list((await call).registers) == [4]


# --- late answers ---


async def test_only_the_late_answer_is_still_a_silence(peer: ModbusPeer) -> None:
    async with leased(peer, HASTY_MS, 1) as (handle,):
        await fails(handle)
        late, writer = await peer.next_request()
        call = start(handle)
        await peer.next_request()
        writer.write(answer(late, 666))
        assert "no answer" in (await fails(call)).detail


async def test_the_answer_to_a_cancelled_request_is_thrown_away(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1) as (handle,):
        cancelled = start(handle)
        late, writer = await peer.next_request()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        call = start(handle)
        request, _ = await peer.next_request()
        writer.write(answer(late, 666) + answer(request, 3))
        assert list((await call).registers) == [3]


# --- one silent unit among others ---


async def test_neighbours_are_served_while_a_unit_is_awaited(peer: ModbusPeer) -> None:
    async with leased(peer, PATIENT_MS, 1, 2) as (silent, lively):
        awaited = start(silent)
        await peer.next_request()
        for value in range(5):
            call = start(lively)
            request, writer = await peer.next_request()
            writer.write(answer(request, value))
            assert list((await call).registers) == [value]
        assert not awaited.done()
        awaited.cancel()
        await asyncio.gather(awaited, return_exceptions=True)


async def test_a_silent_unit_rests_so_that_its_neighbours_need_not_wait(peer: ModbusPeer) -> None:
    async with leased(peer, HASTY_MS, 1, 2, shared=True) as (silent, lively):
        for _ in range(2):
            await fails(silent)
            await peer.next_request()
            call = start(lively)
            request, writer = await peer.next_request()
            writer.write(answer(request, 6))
            await call
        assert "lately" in (await fails(silent, pulse())).detail
        assert peer.requests.empty()
        await asyncio.sleep(REST_S)  # the rest is a matter of real time
        answering = asyncio.create_task(answer_all(peer, 7))
        assert await served_again(silent) == [7]
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        assert peer.connections == 1


async def answer_all(peer: ModbusPeer, word: int) -> None:
    while True:
        request, writer = await peer.next_request()
        writer.write(answer(request, word))


async def served_again(handle: UnitHandle) -> list[int]:
    """What a lane reads that asks again and again; a suspect is waited for so shortly that a busy machine may miss one."""
    async with asyncio.timeout(10):
        while True:
            try:
                return list((await handle.transact(read())).registers)
            except TurnstileUnreachable:
                await asyncio.sleep(0.05)


# --- addresses ---


@pytest.mark.parametrize(
    ("bus", "host", "port"),
    [
        ("tcp://192.168.10.21:502", "192.168.10.21", 502),
        ("tcp://gate-3.lan", "gate-3.lan", 502),
        ("tcp://[fe80::1]:1502/", "fe80::1", 1502),
        ("tcp://127.0.0.1:0", "127.0.0.1", 0),
    ],
)
def test_bus_addresses(bus: str, host: str, port: int) -> None:
    assert parse_bus(bus, 300) == BusSettings(host, port, 300)


@pytest.mark.parametrize(
    "bus",
    [
        "simulated",
        "",
        "tcp://",
        "tcp://:502",
        "tcp://host:port",
        "tcp://host:70000",
        "udp://host:502",
        "tcp://host:502/x",
        "tcp://me@host:502",
        "tcp://a..b:502",
        "tcp://[::1:502",
    ],
)
def test_what_is_no_bus_address_is_refused(bus: str) -> None:
    with pytest.raises(InvalidConfig):
        parse_bus(bus, 300)
