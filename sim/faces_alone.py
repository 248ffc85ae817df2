"""Guests of the rehearsal who show nothing but their face, at lanes that open for one: holders, and strangers who try it.

A holder has one ticket and comes again and again; whether it lets him in is up to the resort. A stranger never enrolled: the
lane should stay silent, and he walks away. Two tickets with one face could not be told apart, so nobody here is enrolled twice,
nor is anybody of `sim/face_guests.py`. Seeded by the lane's dice; it knows no clock.
"""

import logging
import random
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date

from sim.crowd import Crowd, Showing, Tally
from sim.face_album import Portrait
from sim.face_guests import FaceShop

_log = logging.getLogger("snowgate.guests")


@dataclass(slots=True)
class _Holder:
    portrait: Portrait
    product: str
    enrolled: bool = False
    rests_until_s: float = 0.0  # a lane tells of nobody twice within some seconds


@dataclass(frozen=True, slots=True)
class AloneCast:
    """Who comes where: `lanes` open for a face alone, `products` have tickets that a face may show. Nobody without either."""

    lanes: Set[str] = frozenset()
    products: Sequence[str] = ()
    holders: Sequence[Portrait] = ()
    strangers: Sequence[Portrait] = ()


class FacesAlone:
    """The faces alone of one crowd. Holders have the products in turn."""

    def __init__(self, cast: AloneCast, crowd: Crowd, tally: Tally) -> None:
        self._lanes = cast.lanes if cast.products else frozenset()
        self._holders = [
            _Holder(portrait, cast.products[number % len(cast.products)])
            for number, portrait in enumerate(cast.holders if self._lanes else ())
        ]
        self._strangers = list(cast.strangers)
        self._crowd = crowd
        self._tally = tally

    @property
    def low(self) -> bool:
        """Whether somebody should buy."""
        return any(not holder.enrolled for holder in self._holders)

    async def buy(self, shop: FaceShop, day: date) -> None:
        """The next holder buys and has his face enrolled. Raises Refused or Unavailable."""
        holder = next(holder for holder in self._holders if not holder.enrolled)
        (ticket,) = await shop.buy(holder.product, day, {"adult": 1})
        self._tally.orders += 1
        if await shop.enrol_face(ticket.ticket_id, holder.portrait.enrolled):
            self._tally.faces_enrolled += 1
            holder.enrolled = True
        else:
            _log.warning("the photograph of %s is not good enough; this guest does not come again", holder.portrait.person)
            self._holders.remove(holder)

    def deal(self, lane_id: str, dice: random.Random, now_s: float) -> Showing | None:
        """What the next guest of this lane shows, if it is a face alone. `now_s`: monotonic seconds."""
        if lane_id not in self._lanes or dice.random() >= self._crowd.alone_share:
            return None
        if self._strangers and dice.random() < self._crowd.stranger_share:
            return Showing("stranger", None, dice.choice(dice.choice(self._strangers).seen))
        rested = [holder for holder in self._holders if holder.enrolled and holder.rests_until_s <= now_s]
        if not rested:
            return None
        holder = dice.choice(rested)
        holder.rests_until_s = now_s + self._crowd.alone_rest_s
        return Showing("alone", None, dice.choice(holder.portrait.seen))

    def ended(self, showing: Showing, outcome: str) -> None:
        """Count what became of somebody who showed a face alone. `outcome`: unlocked, refused, or nothing at all."""
        tally = self._tally
        if showing.behaviour == "alone":
            tally.alone_shown += 1
            tally.alone_let_in += outcome == "unlocked"
            tally.alone_refused += outcome == "refused"
        elif showing.behaviour == "stranger":
            tally.strangers_shown += 1
            tally.strangers_let_in += outcome == "unlocked"
