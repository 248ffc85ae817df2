"""Where a Modbus bus is and how it is spoken to, out of the address that a site file names. Opens nothing.

`tcp://host:port` is Modbus TCP, `rtu+tcp://host:port` is RTU frames through a serial server, and
`serial:///dev/ttyUSB0?baud=19200&parity=E&stop=1` is RTU on a line of this machine (8 data bits; the defaults are those of the
Modbus over Serial Line guide V1.02, 2.5). `echo=yes` stands for an RS-485 adapter that hears what it sends.
"""

import os
import termios
from typing import Literal, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from resort.errors import InvalidConfig

Transport = Literal["tcp", "rtu+tcp", "serial"]
Parity = Literal["N", "E", "O"]
_Value = TypeVar("_Value")
_FIELD = "turnstile.bus"
_TCP_PORT = 502
_EXAMPLES: dict[str, str] = {
    "tcp": "tcp://192.168.10.21:502",
    "rtu+tcp": "rtu+tcp://192.168.10.21:4001",
    "serial": "serial:///dev/ttyUSB0?baud=19200&parity=E&stop=1",
}
_PARITIES: dict[str, Parity] = {"N": "N", "E": "E", "O": "O"}
_STOPS = {"1": 1, "2": 2}
_ECHOES = {"yes": True, "no": False}
BAUDS: dict[str, int] = {
    name[1:]: int(getattr(termios, name)) for name in dir(termios) if name[0] == "B" and name[1:].isdigit() and name != "B0"
}
_GATEWAY_BAUD = 9_600  # a serial server does not tell its speed: pauses are made as on a slow line
_SHORTEST_PAUSE_S = 0.00175  # Modbus over Serial Line V1.02, 2.5.1.1: fixed above 19,200 baud


class SerialLine(msgspec.Struct, frozen=True):
    """A serial line of this machine: 8 data bits, speed in baud, 1 or 2 stop bits."""

    device: str
    baud: int = 19_200
    parity: Parity = "E"
    stop: int = 1


class BusSettings(msgspec.Struct, frozen=True):
    """Everything that users of one connection must agree on. A serial bus has no host and port, but a `line`."""

    host: str
    port: int
    timeout_ms: int
    shared: bool = False  # one connection for all units; always so with RTU
    transport: Transport = "tcp"
    line: SerialLine | None = None
    echo: bool = False  # what is sent is heard too

    def __str__(self) -> str:
        return f"serial://{self.line.device}" if self.line is not None else f"{self.transport}://{self.host}:{self.port}"

    @property
    def place(self) -> str:
        """Equal for two buses that cannot be in use beside each other in different ways."""
        return os.path.realpath(self.line.device) if self.line is not None else f"{self.host}:{self.port}"

    @property
    def pause_s(self) -> float:
        """The silence between two RTU frames: 3.5 characters of 11 bits."""
        return max(_SHORTEST_PAUSE_S, 3.5 * 11 / (self.line.baud if self.line is not None else _GATEWAY_BAUD))


def parse_bus(bus: str, timeout_ms: int, *, shared: bool = False) -> BusSettings:
    """The settings of a bus by its address; port 502 when none is named. RTU is always shared. Raises InvalidConfig."""
    try:
        parts = urlsplit(bus)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what looking the name up will do with it
    except ValueError as error:
        raise InvalidConfig(_FIELD, f"{bus} has no usable host and port ({error})") from error
    if parts.scheme == "serial":
        return _serial(bus, parts, timeout_ms)
    if parts.scheme not in _EXAMPLES or not host or parts.path.strip("/") or parts.username is not None or parts.fragment:
        raise _no_address(bus, parts.scheme)
    port = _TCP_PORT if port is None else port
    if parts.scheme == "rtu+tcp":
        echo = _choice(bus, "echo", _options(bus, parts, "echo").get("echo", "no"), _ECHOES)
        return BusSettings(host, port, timeout_ms, True, "rtu+tcp", None, echo)
    if parts.query:
        raise _no_address(bus, parts.scheme)
    return BusSettings(host, port, timeout_ms, shared)


def _serial(bus: str, parts: SplitResult, timeout_ms: int) -> BusSettings:
    if parts.netloc or not parts.path.strip("/") or "\0" in parts.path or parts.fragment:
        raise _no_address(bus, "serial")
    options = _options(bus, parts, "baud", "parity", "stop", "echo")
    baud = options.get("baud", "19200")
    if baud not in BAUDS:
        raise InvalidConfig(_FIELD, f"{bus}: no serial line has {baud} baud")
    line = SerialLine(
        parts.path,
        int(baud),
        _choice(bus, "parity", options.get("parity", "E"), _PARITIES),
        _choice(bus, "stop", options.get("stop", "1"), _STOPS),
    )
    echo = _choice(bus, "echo", options.get("echo", "no"), _ECHOES)
    return BusSettings("", 0, timeout_ms, True, "serial", line, echo)


def _options(bus: str, parts: SplitResult, *known: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=len(known))
    except ValueError as error:
        raise InvalidConfig(_FIELD, f"{bus} has options that cannot be read ({error})") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise InvalidConfig(_FIELD, f"{bus} says an option twice")
    if unknown := sorted(set(options) - set(known)):
        raise InvalidConfig(_FIELD, f"{bus}: {unknown[0]} is not one of {', '.join(known)}")
    return options


def _choice(bus: str, name: str, said: str, choices: dict[str, _Value]) -> _Value:
    if said not in choices:
        raise InvalidConfig(_FIELD, f"{bus}: {name} is {' or '.join(choices)}, not {said or 'empty'}")
    return choices[said]


def _no_address(bus: str, scheme: str) -> InvalidConfig:
    return InvalidConfig(_FIELD, f"{bus} is not an address such as {_EXAMPLES.get(scheme, _EXAMPLES['tcp'])}")
