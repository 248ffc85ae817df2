"""Orders on a wire that is played by hand: what is written, how often, and which acknowledgement counts."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from pymodbus.pdu import ModbusPDU

from devices.entry_order import entry_giver
from devices.modbus_bus import UnitHandle
from devices.modbus_frames import WRITES, body_of, decode
from devices.profile import TurnstileProfile, load_profile
from devices.profile_points import CommandOrder, TimedRelay
from resort.errors import TurnstileUnreachable

COMMAND = load_profile("command_register")
SEQUENCE = load_profile("mode_register")
RELAY = load_profile("relay_board")
Told = tuple[int, int]


class Hand(UnitHandle):
    """A unit that holds what was written, and acknowledges what the test says."""

    def __init__(self, own: int = 0, told: Told = (0, 0)) -> None:
        self.unit = 1
        self.own = own  # the number as it can be read back
        self.told = told  # number, result
        self.tell: Callable[[int], Told] = lambda number: (number, 1)
        self.looks_until_told = 0
        self.next_read: TurnstileUnreachable | None = None
        self.writes: list[bytes] = []
        self.looks = 0

    @property
    def numbers(self) -> list[int]:
        """Of the orders so far."""
        return [int.from_bytes(body[8:10], "big") for body in self.writes]

    async def transact(self, request: ModbusPDU) -> ModbusPDU:
        body = body_of(request)
        if body[0] in WRITES:
            self.writes.append(body)
            return decode(body[:5])
        if self.next_read is not None:
            raise self.next_read
        if body[0] == 3:
            return _words(3, self.own)
        count = int.from_bytes(body[3:5], "big")
        if self.writes and count == 2:
            self.looks += 1
            if self.looks > self.looks_until_told:
                self.told = self.tell(self.numbers[-1])
        return _words(4, *self.told[:count])


def _words(function: int, *words: int) -> ModbusPDU:
    return decode(bytes((function, 2 * len(words))) + b"".join(word.to_bytes(2, "big") for word in words))


def quick(within_ms: int = 20) -> TurnstileProfile:
    """The command profile, looking for its acknowledgement for that long."""
    entry = COMMAND.commands.pulse_entry
    assert isinstance(entry, CommandOrder)
    entry = msgspec.structs.replace(
        entry, acknowledge=msgspec.structs.replace(entry.acknowledge, within_ms=within_ms, every_ms=1)
    )
    return msgspec.structs.replace(COMMAND, commands=msgspec.structs.replace(COMMAND.commands, pulse_entry=entry))


async def test_command_and_number_are_one_request() -> None:
    hand = Hand(own=41)
    await entry_giver(hand, COMMAND).give()
    assert hand.writes == [bytes.fromhex("10 0000 0002 04 0001 002a")]


async def test_direction_and_sequence_are_one_request() -> None:
    hand = Hand(own=0x00FF)
    await entry_giver(hand, SEQUENCE).give()
    assert hand.writes == [bytes.fromhex("10 0001 0002 04 0001 0100")]


async def test_a_relay_is_told_once_for_how_long() -> None:
    hand = Hand()
    await entry_giver(hand, RELAY).give()
    assert hand.writes == [bytes.fromhex("06 0000 0005")]


async def test_a_coil_may_take_for_how_long_too() -> None:
    hand = Hand()
    entry = TimedRelay("coil", 0x0200, 7)
    flash = msgspec.structs.replace(RELAY, commands=msgspec.structs.replace(RELAY.commands, pulse_entry=entry))
    await entry_giver(hand, flash).give()
    assert hand.writes == [bytes.fromhex("05 0200 0007")]


@pytest.mark.parametrize("profile", [COMMAND, SEQUENCE])
async def test_each_order_has_a_number_of_its_own_and_never_zero(profile: TurnstileProfile) -> None:
    hand = Hand(own=65_533)
    giver = entry_giver(hand, profile)
    for _ in range(4):
        await giver.give()
    assert hand.numbers == [65_534, 65_535, 1, 2]


@pytest.mark.parametrize(("own", "acknowledged", "number"), [(7, 7, 8), (7, 8, 9), (0, 0, 1), (65_535, 1, 2), (3, 65_535, 4)])
async def test_the_first_number_is_new_to_the_controller(own: int, acknowledged: int, number: int) -> None:
    hand = Hand(own, (acknowledged, 1))
    await entry_giver(hand, COMMAND).give()
    assert hand.numbers == [number]


async def test_orders_that_come_together_are_given_one_after_the_other() -> None:
    hand = Hand()
    hand.looks_until_told = 3
    giver = entry_giver(hand, quick(5_000))
    await asyncio.gather(giver.give(), giver.give())
    assert hand.numbers == [1, 2]


async def test_the_controllers_byte_order_is_that_of_its_numbers() -> None:
    hand = Hand(own=0x2900, told=(0x2900, 0x0100))
    hand.tell = lambda number: (number, 0x0100)
    await entry_giver(hand, msgspec.structs.replace(COMMAND, byte_order="little")).give()
    assert hand.writes == [bytes.fromhex("10 0000 0002 04 0001 2a00")]


async def test_an_acknowledgement_may_take_its_time() -> None:
    hand = Hand()
    hand.looks_until_told = 3
    await entry_giver(hand, quick(5_000)).give()
    assert (len(hand.writes), hand.looks) == (1, 4)


async def test_an_order_that_is_still_pending_is_looked_at_again() -> None:
    hand = Hand()
    hand.tell = lambda number: (number, 0 if hand.looks < 3 else 1)
    await entry_giver(hand, quick(5_000)).give()
    assert (len(hand.writes), hand.looks) == (1, 3)


@pytest.mark.parametrize(
    ("told", "sent", "said"),
    [
        (lambda number: (number, 2), False, "refused the order .fault"),
        (lambda number: (number, 4), False, "refused the order .busy"),
        (lambda number: (number, 9), True, "unknown result 9"),
        (lambda number: (number - 1, 1), True, "did not acknowledge"),
        (lambda number: (number - 1, 2), True, "did not acknowledge"),  # the refusal of another order says nothing of ours
        (lambda number: (number, 0), True, "did not acknowledge"),
    ],
)
async def test_only_our_number_with_a_known_result_decides(told: Callable[[int], Told], sent: bool, said: str) -> None:
    hand = Hand(own=500, told=(500, 1))
    hand.tell = told
    with pytest.raises(TurnstileUnreachable, match=said) as caught:
        await entry_giver(hand, quick()).give()
    assert caught.value.sent is sent
    assert len(hand.writes) == 1


@pytest.mark.parametrize("sent", [True, False])
async def test_an_acknowledgement_that_cannot_be_read_leaves_the_order_uncertain(sent: bool) -> None:
    hand = Hand()
    giver = entry_giver(hand, quick())
    await giver.give()
    hand.next_read = TurnstileUnreachable("Turnstile unit 1", "not connected", sent=sent)
    with pytest.raises(TurnstileUnreachable, match="the order was sent") as caught:
        await giver.give()
    assert caught.value.sent
    assert hand.numbers == [1, 2]


@pytest.mark.parametrize("profile", [COMMAND, SEQUENCE])
async def test_without_knowing_the_controllers_number_no_order_is_sent(profile: TurnstileProfile) -> None:
    hand = Hand()
    hand.next_read = TurnstileUnreachable("Turnstile unit 1", "no answer within 250 ms")
    giver = entry_giver(hand, profile)
    with pytest.raises(TurnstileUnreachable, match="no order was sent") as caught:
        await giver.give()
    assert not caught.value.sent
    assert hand.writes == []
    hand.next_read = None
    await giver.give()
    assert hand.numbers == [1]


async def test_an_order_after_a_failed_one_has_a_new_number_and_its_late_acknowledgement_is_not_ours() -> None:
    hand = Hand()
    hand.tell = lambda number: (0, 0)
    giver = entry_giver(hand, quick(0))
    with pytest.raises(TurnstileUnreachable):
        await giver.give()
    hand.tell = lambda number: (1, 1)  # of the first order, now that the second was sent
    with pytest.raises(TurnstileUnreachable) as caught:
        await giver.give()
    assert caught.value.sent
    assert hand.numbers == [1, 2]
