"""Simulated controllers on an RTU line: frames cut out of bytes, and what each unit answers. Knows no file and no socket.

What a request does is `sim/turnstile_answers.py`, as behind Modbus TCP. Like real units these ignore what is not for them and
what has a wrong CRC, obey unit 0 without an answer, and misbehave as told.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from devices.modbus_frames import frame
from devices.modbus_rtu_frames import BROADCAST, is_whole, rtu_frame
from devices.profile import TurnstileProfile
from sim.slow_answers import SlowAnswers
from sim.turnstile import SimTurnstile
from sim.turnstile_answers import answer_frame
from sim.turnstile_registers import TurnstileRegisters

RtuFault = Literal[
    "none",
    "deaf",  # what is asked is thrown away
    "mute",  # it is done and never answered
    "slow",  # answers come as `slow` says
    "half",  # answers break off in the middle
    "spoilt",  # answers have a wrong CRC
    "stranger",  # answers come under another unit's number
    "echo",  # the line hears what is sent on it
    "noise",  # some bytes come before each answer
    "late",  # answers come only together with the next one
    "twice",  # answers come two times, glued together
]
_HEADER = 7
_NOISE = b"\x00\xff\x01\xfe"
_FIXED = 8  # requests of functions 1 to 6
_KEPT_MAX = 512


class RtuUnits:
    """Units of one line. `feed` takes what the master sent and says what comes back, by `send`; `later` runs a call after so
    many seconds."""

    def __init__(
        self,
        turnstiles: dict[int, SimTurnstile],
        profile: TurnstileProfile,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.turnstiles = turnstiles
        self.faults: dict[int, RtuFault] = {}  # by unit
        self.slow = SlowAnswers()
        self.requests: list[bytes] = []  # whole frames that came, those to nobody too
        self._units: Mapping[int, TurnstileRegisters] = {
            unit: TurnstileRegisters(model, profile) for unit, model in turnstiles.items()
        }
        self._later = later
        self._stream = b""
        self._held = b""

    def feed(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Bytes of the master."""
        self._stream += data
        while (request := self._next()) is not None:
            self.requests.append(request)
            self._obey(request, send)
        self._stream = self._stream[-_KEPT_MAX:]

    def forget(self) -> None:
        """The line was opened anew: what was begun is nothing."""
        self._stream = b""

    def _next(self) -> bytes | None:
        """The first whole request; bytes before it were noise."""
        for at in range(len(self._stream)):
            size = self._size(self._stream[at:])
            request = self._stream[at : at + size]
            if len(request) == size and is_whole(request):
                self._stream = self._stream[at + size :]
                return request
        return None

    def _size(self, begun: bytes) -> int:
        if len(begun) > 6 and begun[1] in (15, 16):
            return 9 + begun[6]
        # Any other function is refused, whatever belongs to it: it is as long as what came, as there is silence behind it.
        return _FIXED if len(begun) < 2 or begun[1] in range(1, 7) else len(begun)

    def _obey(self, request: bytes, send: Callable[[bytes], None]) -> None:
        unit, body = request[0], request[1:-2]
        if unit == BROADCAST:
            for each in self._units:
                if self.faults.get(each) != "deaf":
                    self._answer(each, body)
            return
        fault = self.faults.get(unit, "none")
        if fault == "echo":
            send(request)
        if unit not in self._units or fault == "deaf":
            return
        answer = self._answer(unit, body)
        if fault == "slow":
            self.slow.give(lambda: send(answer), self._later)
        elif fault == "late":
            if self._held:
                send(self._held + answer)
            self._held = b"" if self._held else answer
        elif fault != "mute":
            send(_spoilt(answer, fault))

    def _answer(self, unit: int, body: bytes) -> bytes:
        answer = answer_frame(self._units, frame(1, unit, body))
        model = self._units[unit].model
        if (due_ms := model.relocks_in_ms) is not None:
            self._later(due_ms / 1000, model.settle)
        return rtu_frame(unit, answer[_HEADER:])


def _spoilt(answer: bytes, fault: RtuFault) -> bytes:
    match fault:
        case "half":
            return answer[: len(answer) // 2]
        case "spoilt":
            return answer[:-1] + bytes((answer[-1] ^ 1,))
        case "stranger":
            return rtu_frame(answer[0] ^ 0x40, answer[1:-2])
        case "noise":
            return _NOISE + answer
        case "twice":
            return 2 * answer
        case _:
            return answer
