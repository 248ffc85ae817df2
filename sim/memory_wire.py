"""A Modbus unit without a network: the driver's requests and the controller's answers as the very bytes of both ends.

Takes the place of a `UnitHandle` under `devices.turnstile.ModbusTurnstile`, and of other masters on the same bus. Loses what
it is told to lose; faults of real sockets are `sim/faulty_wire.py`.
"""

from typing import Literal

from pymodbus.pdu import ModbusPDU

from devices.modbus_bus import UnitHandle
from devices.modbus_frames import (
    NOT_BEGUN,
    ReplyParser,
    body_of,
    decode,
    describe_exception,
    frame,
    is_answer_to,
    is_refusal_of,
)
from devices.profile import TurnstileProfile
from resort.errors import TurnstileUnreachable
from sim.turnstile import SimTurnstile
from sim.turnstile_answers import answer_frame, spoilt
from sim.turnstile_registers import TurnstileRegisters

UNIT = 1
_PART = "Turnstile in memory"
WireFault = Literal[
    "none",
    "deaf",  # requests are lost
    "mute",  # requests are carried out and the answers are lost, or come too late
    "half",  # answers break off in the middle
    "renumbered",  # answers carry another transaction number
]


class MemoryWire(UnitHandle):
    """Unit 1 of a bus that consists of it. Never suspends."""

    def __init__(self, steel: SimTurnstile, profile: TurnstileProfile) -> None:
        self.unit = UNIT
        self.fault: WireFault = "none"
        self._steel = steel
        self._units = {UNIT: TurnstileRegisters(steel, profile)}
        self._transaction = 0

    async def transact(self, request: ModbusPDU) -> ModbusPDU:
        """Carry a request and its answer, as far as they come. Raises TurnstileUnreachable."""
        asked = body_of(request)
        answer = self.send(asked)
        replies = [] if answer is None else ReplyParser().feed(answer)
        if not replies:
            raise TurnstileUnreachable(_PART, "no answer")
        (reply,) = replies
        if reply.transaction != self._transaction:
            raise TurnstileUnreachable(_PART, "an answer to no request")
        if is_refusal_of(asked, reply.body):
            code = reply.body[1]
            raise TurnstileUnreachable(_PART, describe_exception(code), sent=code not in NOT_BEGUN)
        if not is_answer_to(asked, reply.body):
            raise TurnstileUnreachable(_PART, "not the answer to what was asked")
        return decode(reply.body)

    def send(self, body: bytes) -> bytes | None:
        """Any PDU, as any master may send it; answers the frame that comes back, if one does."""
        self._transaction = self._transaction % 0xFFFF + 1
        if self.fault == "deaf" or not self._steel.powered:
            return None
        answer = answer_frame(self._units, frame(self._transaction, UNIT, body))
        match self.fault:
            case "mute":
                return None
            case "half" | "renumbered":
                return spoilt(answer, self.fault)
        return answer

    async def close(self) -> None:
        """Nothing to free."""
