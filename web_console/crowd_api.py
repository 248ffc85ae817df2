"""The crowd brain over HTTP: how it stands, its mode, and staff's answers to what it proposes."""

from resort.crowd import ActView, CrowdControl, CrowdView
from resort.errors import Unavailable
from web_console.bodies import CrowdModeAsk, SignAsk
from web_console.callers import CONTROL, STAFF
from web_console.routes import Call, Route
from web_console.tickets_api import name_of


class CrowdApi:
    """`crowd`: None where the site opened none."""

    def __init__(self, crowd: CrowdControl | None) -> None:
        self._crowd = crowd

    def routes(self) -> list[Route]:
        """This part of the table."""
        proposal = "/api/crowd/proposals/{proposal_id}"
        return [
            Route("GET", "/api/crowd", self.view, STAFF, "Queues, lanes and signs as the crowd brain sees them, what it does",
                  "see the gates", answer=CrowdView),
            Route("PUT", "/api/crowd/mode", self.set_mode, CONTROL, "Let the crowd brain advise, ask first, or act by itself",
                  "steer the crowd", body=CrowdModeAsk, answer=CrowdView),
            Route("PUT", "/api/crowd/signs/{sign_id}", self.order_sign, CONTROL, "Say what a sign's display names, for a time",
                  "steer the crowd", body=SignAsk, answer=CrowdView),
            Route("POST", f"{proposal}/accept", self.accept, CONTROL, "Carry out what the crowd brain proposes",
                  "steer the crowd", answer=ActView, problems=(409,)),
            Route("POST", f"{proposal}/decline", self.decline, CONTROL, "Leave a proposal alone for a while",
                  "steer the crowd", answer=ActView),
        ]  # fmt: skip

    async def view(self, call: Call) -> CrowdView:
        """As it is now."""
        return await self._control.view()

    async def set_mode(self, call: Call) -> CrowdView:
        """In the name of who ordered it; durable once answered."""
        ask: CrowdModeAsk = call.body
        await self._control.set_mode(ask.mode, name_of(call.caller))
        return await self._control.view()

    async def order_sign(self, call: Call) -> CrowdView:
        """Over the crowd brain, until the time is over."""
        ask: SignAsk = call.body
        await self._control.order_sign(call.ids["sign_id"], ask.gate_id, ask.minutes, name_of(call.caller))
        return await self._control.view()

    async def accept(self, call: Call) -> ActView:
        """Once: the same proposal again is not found."""
        return await self._control.accept(call.ids["proposal_id"], name_of(call.caller))

    async def decline(self, call: Call) -> ActView:
        """Likewise."""
        return await self._control.decline(call.ids["proposal_id"], name_of(call.caller))

    @property
    def _control(self) -> CrowdControl:
        if self._crowd is None:
            raise Unavailable("The crowd brain", "this site opened none")
        return self._crowd
