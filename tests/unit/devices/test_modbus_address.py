"""Addresses of buses: what each says, and one sentence for each that says nothing usable."""

import pytest

from devices.modbus_address import BusSettings, SerialLine, parse_bus
from resort.errors import InvalidConfig


@pytest.mark.parametrize(
    ("bus", "settings"),
    [
        ("rtu+tcp://10.0.0.9:4001", BusSettings("10.0.0.9", 4001, 250, True, "rtu+tcp")),
        ("rtu+tcp://gate.lan?echo=yes", BusSettings("gate.lan", 502, 250, True, "rtu+tcp", None, True)),
        ("serial:///dev/ttyUSB0", BusSettings("", 0, 250, True, "serial", SerialLine("/dev/ttyUSB0", 19200, "E", 1))),
        (
            "serial:///dev/ttyS1?baud=9600&parity=N&stop=2&echo=yes",
            BusSettings("", 0, 250, True, "serial", SerialLine("/dev/ttyS1", 9600, "N", 2), True),
        ),
    ],
)
def test_rtu_buses_are_shared_whatever_the_profile_says(bus: str, settings: BusSettings) -> None:
    assert parse_bus(bus, 250) == parse_bus(bus, 250, shared=True) == settings


@pytest.mark.parametrize(
    ("bus", "why"),
    [
        ("serial://ttyUSB0", "not an address such as serial:///dev"),
        ("serial:///", "not an address"),
        ("serial:///dev/ttyS0?baud=19201", "no serial line has 19201 baud"),
        ("serial:///dev/ttyS0?baud=0", "no serial line has 0 baud"),
        ("serial:///dev/ttyS0?baud=", "no serial line has"),
        ("serial:///dev/ttyS0?parity=e", "parity is N or E or O, not e"),
        ("serial:///dev/ttyS0?stop=3", "stop is 1 or 2, not 3"),
        ("serial:///dev/ttyS0?baud=9600&baud=9600", "twice"),
        ("serial:///dev/ttyS0?bits=7", "bits is not one of baud"),
        ("serial:///dev/ttyS0?baud", "cannot be read"),
        ("serial:///dev/ttyS0#x", "not an address"),
        ("rtu+tcp://", "not an address such as rtu"),
        ("rtu+tcp://h:1?baud=9600", "baud is not one of echo"),
        ("rtu+tcp://h:1?echo=maybe", "echo is yes or no, not maybe"),
        ("rtu+tcp://h:70000", "no usable host and port"),
        ("tcp://h:1?echo=yes", "not an address such as tcp"),
        ("rtu://h:1", "not an address"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(bus: str, why: str) -> None:
    with pytest.raises(InvalidConfig, match=why.replace("+", r"\+")):
        parse_bus(bus, 250)
