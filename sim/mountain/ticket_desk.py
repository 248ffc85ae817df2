"""Tickets of a virtual day: what each kind allows, the codes in guests' hands, and what becomes of who was refused."""

import msgspec

from resort.access.codes import CARD, PRINTED, SiteKeys, issue_code
from resort.access.entitlement import Entitlement, Hours, Medium, PlaceHours
from resort.access.reasons import Reason
from resort.ids import SeededIds, TicketId
from sim.mountain.course import Course
from sim.mountain.gate import Gate
from sim.mountain.outing import Desks
from sim.mountain.parties import Guest, Party
from sim.mountain.scenario import Scenario, TicketScene
from sim.mountain.tally import Tally
from sim.mountain.virtual_ledger import VirtualLedger

LATER: dict[Reason, float] = {  # seconds after which an honest guest tries once more
    Reason.IN_USE: 20.0,
    Reason.TOO_SOON: 60.0,
    Reason.IMPOSSIBLE_TRAVEL: 60.0,
    Reason.STILL_INSIDE: 60.0,
    Reason.CODE_REPLAYED: 15.0,
    Reason.STALE_CODE: 15.0,
    Reason.LANE_CLOSED: 0.0,
    Reason.TURNSTILE_UNAVAILABLE: 0.0,
    Reason.LANE_BUSY: 2.0,
}
DAY_TICKET = "exchanged"
TO_HALL_S = 120.0  # from a gate to the ticket hall, and back
EXCHANGE_S = 60.0


class TicketDesk:
    """Sells to parties, and helps those who were refused. Its answers go into the ledger that the lanes decide by."""

    def __init__(
        self, scene: Scenario, course: Course, tally: Tally, ledger: VirtualLedger, keys: SiteKeys, ids: SeededIds, hall: Desks
    ) -> None:
        self.hall = hall
        self._scene, self._course, self._tally = scene, course, tally
        self._ledger, self._keys, self._ids = ledger, keys, ids
        self._today = scene.day.date
        self._entitlements = {(ticket.code, day): self._allows(ticket, day) for ticket in scene.tickets for day in (0, 1)}
        self._tries: dict[Guest, int] = {}

    def sell(self, party: Party) -> None:
        """Give everybody of the party what it came with."""
        guests, ticket = self._scene.guests, party.ticket
        codes = 1 if ticket.group else party.size
        for _ in range(codes):
            wrong_day = party.dice.random() < guests.wrong_day
            allowed = self._entitlements[ticket.code, int(wrong_day)]
            if ticket.group:
                allowed = msgspec.structs.replace(allowed, party=party.size)
            party.guests.append(self._guest(party, allowed, party.size if ticket.group else 1, party.medium))

    def refused(self, gate: Gate, guest: Guest, reason: Reason) -> None:
        """What an honest guest does who was turned away at this gate."""
        wait_s = LATER.get(reason)
        tries = self._tries[guest] = self._tries.get(guest, 0) + 1
        if reason is Reason.WRONG_LANE:
            guest.queue_class = "standard"
            gate.line_up(guest)
            return
        self._tally.honest_refused[reason] += 1
        if wait_s is not None and tries <= 3:
            self._course.after(wait_s, gate.line_up, guest)
        elif wait_s is not None:
            guest.by_hand = True  # an attendant looks at his ticket
            gate.line_up(guest)
        elif guest.party.inside:
            gate.give_up(guest)
        else:
            self._course.after(TO_HALL_S, self._exchange, gate, guest)

    def standing(self) -> int:
        """Customers in the hall's line."""
        return self.hall.standing(self._course.at)

    def _exchange(self, gate: Gate, guest: Guest) -> None:
        """At the hall he gets a ticket that is good today."""
        done_s = self.hall.serve(self._course.at, guest.party.dice.expovariate(1 / EXCHANGE_S))
        day = self._entitlements[guest.party.ticket.code, 0]
        allowed = msgspec.structs.replace(day, product=DAY_TICKET, entries=None, minutes=None, hours=None, places=())
        fresh = self._guest(guest.party, allowed, guest.left, "printed")
        guest.ticket_id, guest.code, guest.medium = fresh.ticket_id, fresh.code, fresh.medium
        if guest.persons > 1:
            self._ledger.sell(guest.ticket_id, msgspec.structs.replace(allowed, party=max(1, guest.left)))
        self._course.do(done_s + TO_HALL_S, gate.line_up, guest)

    def _guest(self, party: Party, allowed: Entitlement, persons: int, medium: Medium) -> Guest:
        ticket_id: TicketId = self._ids.ticket_id()
        self._ledger.sell(ticket_id, allowed)
        code = "" if medium in ("phone", "face") else issue_code(ticket_id, self._keys, CARD if medium == "card" else PRINTED)
        if medium == "face":  # where no camera looks, the same ticket is shown as paper
            code = issue_code(ticket_id, self._keys, PRINTED)
        fast = "fast" in allowed.lane_classes
        guest = Guest(party, persons, ticket_id, medium, code, "fast" if fast else "standard", left=persons)
        mistaken = not fast and party.dice.random() < self._scene.guests.wrong_lane
        guest.queue_class = "fast" if fast or mistaken else "standard"
        return guest

    def _allows(self, ticket: TicketScene, days_off: int) -> Entitlement:
        day = self._today.fromordinal(self._today.toordinal() + days_off)
        hours = None
        if ticket.from_min is not None:
            opens = self._scene.day.opens
            minute = opens.hour * 60 + opens.minute + int(ticket.from_min)
            hours = Hours(opens.replace(hour=minute // 60 % 24, minute=minute % 60), opens.replace(hour=23, minute=59))
        return Entitlement(
            product=ticket.code,
            unit="adult",
            valid_on=day,
            entries=ticket.entries,
            lane_classes=ticket.lane_classes,
            minutes=ticket.minutes,
            hours=hours,
            places=tuple(PlaceHours(place) for place in ticket.gates),
            media=("printed", "phone", "card", "face"),
        )
