"""One connection against a raw peer: whose answer is whose, what costs the connection, and how it is hung up."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable

import pytest
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest
from pymodbus.pdu.register_message import ReadInputRegistersRequest

from devices.modbus_frames import frame
from devices.modbus_link import UNANSWERED_MAX, LinkLost, ModbusLink, Silence
from sim.modbus_peer import ModbusPeer, answer

PATIENT_S = 5.0
HASTY_S = 0.05


@pytest.fixture
async def peer() -> AsyncIterator[ModbusPeer]:
    peer = ModbusPeer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
async def link(peer: ModbusPeer) -> AsyncIterator[ModbusLink]:
    link = await ModbusLink.open("127.0.0.1", peer.port, PATIENT_S)
    yield link
    await link.close()


def read(unit: int = 1, count: int = 1) -> ModbusPDU:
    return ReadInputRegistersRequest(dev_id=unit, address=0, count=count)


def pulse() -> ModbusPDU:
    return WriteSingleCoilRequest(dev_id=1, address=0, bits=[True])


def start(call: Awaitable[bytes]) -> asyncio.Task[bytes]:
    return asyncio.ensure_future(call)  # type: ignore[return-value]


async def test_a_late_answer_just_before_the_new_one_is_thrown_away(peer: ModbusPeer, link: ModbusLink) -> None:
    with pytest.raises(Silence):
        await link.exchange(read(), HASTY_S)
    late, writer = await peer.next_request()
    call = start(link.exchange(read(), PATIENT_S))
    request, _ = await peer.next_request()
    writer.write(answer(late, 666) + answer(request, 1) + answer(request, 667))
    assert await call == b"\x04\x02\0\x01"


async def test_a_late_answer_between_two_requests_is_thrown_away(peer: ModbusPeer, link: ModbusLink) -> None:
    with pytest.raises(Silence):
        await link.exchange(read(), HASTY_S)
    late, writer = await peer.next_request()
    writer.write(answer(late, 666))
    await peer.let_client_read()
    call = start(link.exchange(read(), PATIENT_S))
    request, _ = await peer.next_request()
    writer.write(answer(request, 2))
    assert await call == b"\x04\x02\0\x02"
    assert link.heard == 2


async def test_the_number_of_an_unanswered_request_is_not_used_again(peer: ModbusPeer, link: ModbusLink) -> None:
    with pytest.raises(Silence):
        await link.exchange(read(), HASTY_S)
    first, writer = await peer.next_request()
    link._transaction = 0xFFFF  # as after 65,535 requests
    numbers = []
    for value in range(3):
        call = start(link.exchange(read(), PATIENT_S))
        request, _ = await peer.next_request()
        numbers.append(int.from_bytes(request[:2], "big"))
        writer.write(answer(first, 666) + answer(request, value))
        assert await call == bytes((4, 2, 0, value))
    assert int.from_bytes(first[:2], "big") == 1
    assert numbers == [2, 3, 4]


async def test_a_peer_that_answers_hardly_anything_is_given_up(peer: ModbusPeer, link: ModbusLink) -> None:
    link._unanswered = set(range(2, UNANSWERED_MAX + 1))
    for _ in range(2):
        with pytest.raises(Silence):
            await link.exchange(read(), HASTY_S)
    assert link.lost.is_set()
    await peer.next_hang_up()


@pytest.mark.parametrize(
    "nonsense",
    [
        frame(2, 1, b"\x04\x02\0\1"),  # nobody asked under this number yet
        frame(0, 1, b"\x04\x02\0\1"),
        frame(1, 2, b"\x04\x02\0\1"),  # another unit
        frame(1, 1, b"\x83\x02"),  # a refusal of another function
        frame(1, 1, b"\x05\0\0\xff\0"),
    ],
)
async def test_an_answer_to_something_else_costs_the_connection(peer: ModbusPeer, link: ModbusLink, nonsense: bytes) -> None:
    call = start(link.exchange(read(), PATIENT_S))
    _, writer = await peer.next_request()
    writer.write(nonsense)
    with pytest.raises(LinkLost, match="nonsense"):
        await call
    with pytest.raises(LinkLost, match="nonsense"):
        await link.exchange(read(), PATIENT_S)
    await peer.next_hang_up()


async def test_an_answer_may_come_in_pieces_while_no_other_is_due(peer: ModbusPeer, link: ModbusLink) -> None:
    call = start(link.exchange(read(), PATIENT_S))
    request, writer = await peer.next_request()
    for byte in answer(request, 77):
        writer.write(bytes([byte]))
        await peer.let_client_read()
    assert await call == b"\x04\x02\0\x4d"


async def test_half_a_late_answer_costs_the_connection(peer: ModbusPeer, link: ModbusLink) -> None:
    """Its other half would otherwise be taken for the beginning of the next answer."""
    with pytest.raises(Silence):
        await link.exchange(read(), HASTY_S)
    late, writer = await peer.next_request()
    writer.write(answer(late, 666)[:8])
    await peer.let_client_read()
    with pytest.raises(LinkLost, match="half an answer"):
        await link.exchange(pulse(), PATIENT_S)
    await peer.next_hang_up()
    assert peer.requests.empty()


async def test_pieces_are_not_put_together_while_a_late_answer_may_come(peer: ModbusPeer, link: ModbusLink) -> None:
    """Else half of the new answer and the beginning of the late one would make a whole one, with wrong counters."""
    with pytest.raises(Silence):
        await link.exchange(read(1, 7), HASTY_S)
    late, writer = await peer.next_request()
    call = start(link.exchange(read(1, 7), PATIENT_S))
    request, _ = await peer.next_request()
    writer.write(answer(request, *range(7))[:11])
    await peer.let_client_read()
    writer.write(answer(late, *range(7)))
    with pytest.raises(LinkLost, match="half an answer"):
        await call


async def test_half_an_answer_and_then_silence_costs_the_connection(peer: ModbusPeer, link: ModbusLink) -> None:
    call = start(link.exchange(read(), HASTY_S * 4))
    request, writer = await peer.next_request()
    writer.write(answer(request, 1)[:-1])
    with pytest.raises(Silence):
        await call
    assert link.detail == "it sent half an answer"


async def test_a_frozen_process_calls_nobody_silent_who_answered() -> None:
    """A thread plays the peer, as it must answer while the event loop stands still."""
    served = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(answer(connection.recv(300), 5))
                served.set()
                connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        link = await ModbusLink.open("127.0.0.1", listener.getsockname()[1], PATIENT_S)
        call = start(link.exchange(read(), HASTY_S))
        await asyncio.sleep(0)
        assert served.wait(10)
        time.sleep(HASTY_S * 2)  # noqa: ASYNC251 - the freeze itself
        assert await call == b"\x04\x02\0\x05"
        await link.close()
        thread.join()


async def test_hanging_up_is_polite_only_when_everything_was_answered() -> None:
    """A reset takes back what the kernel has not delivered yet, so that no pulse arrives after its guest is gone."""
    ends: asyncio.Queue[type[BaseException] | None] = asyncio.Queue()

    async def note_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(300):
                pass
            ends.put_nowait(None)
        except ConnectionResetError as error:
            ends.put_nowait(type(error))
        writer.close()

    async with await asyncio.start_server(note_the_end, "127.0.0.1", 0) as server, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        for order, end in ((None, None), (read(), ConnectionResetError), (pulse(), ConnectionResetError)):
            link = await ModbusLink.open("127.0.0.1", port, PATIENT_S)
            if order is not None:
                with pytest.raises(Silence):
                    await link.exchange(order, HASTY_S)
                assert link.lost.is_set() == (order.function_code == 5)
            await link.close()
            assert await ends.get() is end


async def test_a_peer_that_is_not_there_is_a_lost_link(peer: ModbusPeer) -> None:
    await peer.stop()
    link = await ModbusLink.open("127.0.0.1", peer.port, PATIENT_S)
    assert link.lost.is_set()
    with pytest.raises(LinkLost, match="does not take"):
        await link.exchange(read(), PATIENT_S)
    await peer.start()
