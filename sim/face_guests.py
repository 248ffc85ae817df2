"""Guests of the rehearsal who let the resort know their face, and those who come with somebody else's ticket.

They buy as everybody does and have a photograph enrolled over the site's own HTTP API. At a lane that looks at faces they hold
their code beside their face. Seeded by the lane's dice; who passes is up to the resort.
"""

import logging
import random
from collections import deque
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from sim.crowd import Crowd, Showing, Tally
from sim.face_album import Portrait
from sim.shop_client import BoughtTicket

PRODUCT = "single"
_log = logging.getLogger("snowgate.guests")


class FaceShop(Protocol):
    """Where guests with faces buy."""

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        """Tickets for a party. Raises Refused or Unavailable."""
        ...

    async def enrol_face(self, ticket_id: str, photograph: bytes) -> bool:
        """Enrol a ticket's holder; False: the photograph is not good enough. Raises Refused or Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class _FaceTicket:
    code: str
    holder: Portrait


class FaceGuests:
    """The faces of one crowd: `lanes` look at them, `album` has them (nobody: there are none)."""

    def __init__(self, lanes: Set[str], album: Sequence[Portrait], crowd: Crowd, tally: Tally, seed: int) -> None:
        self._lanes = lanes
        self._album = list(album) if lanes else []
        self._crowd = crowd
        self._tally = tally
        self._dice = random.Random(f"faces {seed}")
        self._tickets: deque[_FaceTicket] = deque()

    @property
    def low(self) -> bool:
        """Whether somebody should buy."""
        return bool(self._album) and len(self._tickets) < self._crowd.face_stock

    async def buy(self, shop: FaceShop, day: date) -> None:
        """One guest buys and has a face enrolled. Raises Refused or Unavailable."""
        portrait = self._dice.choice(self._album)
        (ticket,) = await shop.buy(PRODUCT, day, {"adult": 1})
        self._tally.orders += 1
        if await shop.enrol_face(ticket.ticket_id, portrait.enrolled):
            self._tally.faces_enrolled += 1
            self._tickets.append(_FaceTicket(ticket.code, portrait))
        else:
            _log.warning("the photograph of %s is not good enough; this guest does not come again", portrait.person)
            self._album.remove(portrait)

    def deal(self, lane_id: str, dice: random.Random) -> Showing | None:
        """What the next guest of this lane shows, if it is one with a face."""
        if lane_id not in self._lanes or not self._tickets or dice.random() >= self._crowd.face_share:
            return None
        ticket = self._tickets.popleft()
        who = ticket.holder
        others = [portrait for portrait in self._album if portrait is not who]
        borrowed = bool(others) and dice.random() < self._crowd.borrowed_share
        if borrowed:
            who = dice.choice(others)
        return Showing("borrowed" if borrowed else "holder", ticket.code, dice.choice(who.seen))

    def ended(self, showing: Showing, outcome: str) -> None:
        """Count what became of somebody who showed a face. `outcome`: unlocked, refused, or nothing at all."""
        if showing.behaviour == "holder":
            self._tally.faces_shown += 1
            self._tally.faces_let_in += outcome == "unlocked"
        elif showing.behaviour == "borrowed":
            self._tally.borrowed_shown += 1
            self._tally.borrowed_let_in += outcome == "unlocked"
