"""A Modbus unit without a network: the driver's requests and the controller's answers as the very bytes of both ends.

Takes the place of a `UnitHandle` under `devices.turnstile.ModbusTurnstile`, and of other masters on the same bus. Loses what
it is told to lose; faults of real sockets are `sim/faulty_wire.py`.
"""

from typing import Literal

from pymodbus.pdu import ModbusPDU

from devices.modbus_bus import UnitHandle
from devices.modbus_frames import ReplyParser, body_of, decode, describe_exception, frame, is_answer_to
from devices.profile import TurnstileProfile
from resort.errors import TurnstileUnreachable
from sim.turnstile import SimTurnstile
from sim.turnstile_answers import answer_frame
from sim.turnstile_registers import TurnstileRegisters

UNIT = 1
WireFault = Literal["none", "deaf", "mute"]  # deaf: requests are lost; mute: they are carried out and the answers are lost


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
        if answer is None:
            raise TurnstileUnreachable("Turnstile in memory", "no answer")
        (reply,) = ReplyParser().feed(answer)
        if not is_answer_to(asked, reply.body):
            raise TurnstileUnreachable("Turnstile in memory", describe_exception(reply.body[1]))
        return decode(reply.body)

    def send(self, body: bytes) -> bytes | None:
        """Any PDU, as any master may send it; answers the frame that comes back, if one does."""
        self._transaction = self._transaction % 0xFFFF + 1
        if self.fault == "deaf" or not self._steel.powered:
            return None
        answer = answer_frame(self._units, frame(self._transaction, UNIT, body))
        return None if self.fault == "mute" else answer

    async def close(self) -> None:
        """Nothing to free."""
