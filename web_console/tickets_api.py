"""What staff do with sold tickets over HTTP: block, unblock, revoke, refund, transfer, give an entry back.

Who may order what is a table here; what becomes of the ticket is `sales/tickets.py`.
"""

import msgspec

from resort.access.entitlement import TicketStatus
from resort.errors import NotPermitted
from resort.messages import GrantOutcomeUnknown
from sales.tickets import TicketDesk, TicketStanding
from web_console.bodies import GrantSettleAsk, TicketStatusAsk
from web_console.callers import DESK, Caller
from web_console.routes import Call, Route

# Blocking is for everybody who meets guests; what is about money is the cashiers', what is about conduct the control room's.
MAY_ORDER: dict[TicketStatus, frozenset[str]] = {
    "active": frozenset({"cashier", "control_room", "admin"}),
    "blocked": frozenset({"cashier", "control_room", "admin"}),
    "revoked": frozenset({"control_room", "admin"}),
    "refunded": frozenset({"cashier", "admin"}),
    "transferred": frozenset({"cashier", "admin"}),
}


class UnknownGrants(msgspec.Struct, frozen=True):
    """Grants of a ticket of which nobody knows whether somebody passed."""

    grants: list[GrantOutcomeUnknown]


class TicketsApi:
    """Handlers of the desk's routes."""

    def __init__(self, desk: TicketDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """This part of the table."""
        ticket = "/api/tickets/{ticket_id}"
        return [
            Route(
                "POST", f"{ticket}/status", self.change_status, DESK,
                "Block, unblock, revoke, refund or transfer a ticket; every lane goes by it at once",
                "change tickets", body=TicketStatusAsk, answer=TicketStanding, problems=(404, 409),
            ),
            Route(
                "GET", f"{ticket}/unknown-grants", self.unknown, DESK, "Grants of the ticket whose outcome nobody knows",
                "see what tickets were used for", answer=UnknownGrants,
            ),
            Route(
                "POST", f"{ticket}/unknown-grants/{{grant_id}}", self.settle, DESK,
                "Give the entry of a grant of unknown outcome back", "give entries back",
                body=GrantSettleAsk, answer=TicketStanding, problems=(404, 409),
            ),
        ]  # fmt: skip

    async def change_status(self, call: Call) -> TicketStanding:
        """Store the order in the name of who gave it, and tell the lanes."""
        ask: TicketStatusAsk = call.body
        if call.caller.user is None or call.caller.user.role not in MAY_ORDER[ask.status]:
            raise NotPermitted(f"make tickets {ask.status}")
        return await self._desk.change_status(call.ids["ticket_id"], ask.status, name_of(call.caller), ask.note)

    async def unknown(self, call: Call) -> UnknownGrants:
        """What staff have to decide on."""
        return UnknownGrants(await self._desk.unknown_grants(call.ids["ticket_id"]))

    async def settle(self, call: Call) -> TicketStanding:
        """The guest did not pass: the ticket has its entry again."""
        ask: GrantSettleAsk = call.body
        return await self._desk.settle(call.ids["ticket_id"], call.ids["grant_id"], name_of(call.caller), ask.note)


def name_of(caller: Caller) -> str:
    """The name under which an order is written down."""
    return caller.user.name if caller.user is not None else ""
