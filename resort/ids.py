"""Identifiers and where they come from.

Every id is opaque text; the `NewType`s keep a lane's id from being passed where a gate's is meant. New ids come from an
`IdSource` argument, so that a seeded source makes a whole day reproducible.
"""

import os
import random
import secrets
from typing import NewType, Protocol

GateId = NewType("GateId", str)
LaneId = NewType("LaneId", str)
TicketId = NewType("TicketId", str)  # 16 lower-case hex digits: the 8 bytes that a site code carries
EventId = NewType("EventId", str)
GrantId = NewType("GrantId", str)  # equals the event id of the GrantIssued that made it
ScanId = NewType("ScanId", str)
QuoteId = NewType("QuoteId", str)
OrderId = NewType("OrderId", str)

TICKET_ID_BYTES = 8


class IdSource(Protocol):
    """Makes ids that are unique within the site."""

    def new(self, prefix: str) -> str:
        """A fresh id that starts with `prefix` and an underscore."""
        ...

    def ticket_id(self) -> TicketId:
        """A fresh, unguessable ticket id."""
        ...


_ID_DIGITS = 20  # 80 bits in hexadecimal
_AHEAD = 256
# Drawn ahead: a lane asks twice for each guest, and each question to the operating system lets the disk's thread take the
# interpreter. No secrets: tickets are drawn one by one.
_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)  # two processes never give the same


class RandomIds:
    """Ids from the operating system's randomness (80 bits; 64 for tickets, which carry a MAC besides)."""

    def new(self, prefix: str) -> str:
        """A fresh id such as `scan_3f…`."""
        try:
            return f"{prefix}_{_drawn.pop()}"
        except IndexError:
            digits = secrets.token_hex(_AHEAD * _ID_DIGITS // 2)
            _drawn.extend(digits[start : start + _ID_DIGITS] for start in range(0, len(digits), _ID_DIGITS))
            return f"{prefix}_{_drawn.pop()}"

    def ticket_id(self) -> TicketId:
        """Sixteen hex digits of the operating system's randomness."""
        return TicketId(secrets.token_hex(TICKET_ID_BYTES))


class SeededIds:
    """Ids from a seed: the same seed gives the same ids in the same order. For rehearsal only."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible by design, never used for secrets

    def new(self, prefix: str) -> str:
        """The next id of this seed."""
        return f"{prefix}_{self._random.getrandbits(80):020x}"

    def ticket_id(self) -> TicketId:
        """The next ticket id of this seed."""
        return TicketId(f"{self._random.getrandbits(64):016x}")
