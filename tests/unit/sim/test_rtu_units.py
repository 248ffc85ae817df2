"""Simulated units on an RTU line, byte by byte: requests as foreign masters send them, and what comes back."""

from collections.abc import Callable

import pytest

from devices.modbus_rtu_frames import rtu_frame
from devices.profile import load_profile
from resort.clock import SystemClock
from sim.rtu_units import RtuUnits
from sim.turnstile import SimTurnstile

READ = bytes.fromhex("01 04 0000 0007 B1C8")
STATUS = bytes.fromhex("01 04 0E 0105 0000 0000 0000 0000 0000 0000 A1E3")  # firmware 1.5, at rest


def never(delay_s: float, call: Callable[[], None]) -> None:
    """No time passes here."""


@pytest.fixture
def units() -> RtuUnits:
    return RtuUnits({unit: SimTurnstile(60_000, SystemClock()) for unit in (1, 255)}, load_profile("pulse_coil"), never)


def fed(units: RtuUnits, *pieces: bytes) -> list[bytes]:
    said: list[bytes] = []
    for piece in pieces:
        units.feed(piece, said.append)
    return said


@pytest.mark.parametrize(
    "pieces",
    [
        (READ,),
        tuple(bytes((byte,)) for byte in READ),
        (b"\xff\x00\x01", READ),
        (READ[:2] + READ,),
        (READ[:-1] + b"\x00", READ),  # a wrong CRC is no request
        (bytes.fromhex("02 04 0000 0007 B1FB"), READ),  # another unit's
    ],
)
def test_a_request_is_answered_once_however_it_comes(units: RtuUnits, pieces: tuple[bytes, ...]) -> None:
    assert fed(units, *pieces) == [STATUS]


def test_two_requests_in_one_piece_are_answered_in_their_order(units: RtuUnits) -> None:
    lamp = bytes.fromhex("01 10 0000 0002 04 0000 0002")
    assert fed(units, READ + rtu_frame(1, lamp[1:])[:6], rtu_frame(1, lamp[1:])[6:] + READ) == [
        STATUS,
        bytes.fromhex("01 10 0000 0002 41C8"),
        STATUS,
    ]
    assert units.turnstiles[1].indicator == "refused"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("05 0000 FF00", "05 0000 FF00"),
        ("04 0000 0008", "84 02"),  # one register more than there is
        ("04 0000 007D", "84 02"),  # 125 registers
        ("04 0000 007E", "84 03"),  # 126
        ("01 0000 07D0", "81 02"),  # 2,000 coils
        ("06 0001 0009", "86 03"),  # no such lamp
        ("07", "87 01"),  # read exception status
        ("2B 0E 01 00", "AB 01"),  # device identification
        ("17 0000 0001 0001 0001 02 0000", "97 01"),  # read and write
    ],
)
@pytest.mark.parametrize("unit", [1, 255])
def test_orders_and_mistakes_are_answered_as_the_standard_says(units: RtuUnits, unit: int, asked: str, answered: str) -> None:
    assert fed(units, rtu_frame(unit, bytes.fromhex(asked))) == [rtu_frame(unit, bytes.fromhex(answered))]


def test_all_obey_unit_0_and_nobody_answers(units: RtuUnits) -> None:
    assert fed(units, rtu_frame(0, bytes.fromhex("06 0001 0002"))) == []
    assert {model.indicator for model in units.turnstiles.values()} == {"refused"}
