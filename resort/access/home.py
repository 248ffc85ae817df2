"""Which gate is the home of a ticket: the one that decides on it while the ledger is away. Rendezvous hashing, pure.

Every gate and lane computes the same answer from the site file alone, with nothing to agree on; a gate that is added or
taken away moves only its own share.
"""

from collections.abc import Sequence
from hashlib import blake2b

from resort.ids import GateId, TicketId


def home_gate(ticket_id: TicketId, gates: Sequence[GateId]) -> GateId:
    """The home of a ticket among `gates` (at least one), whatever their order."""
    return max(gates, key=lambda gate: (_weight(ticket_id, gate), gate))


def _weight(ticket_id: TicketId, gate: GateId) -> bytes:
    return blake2b(f"{gate}\0{ticket_id}".encode(), digest_size=8).digest()
