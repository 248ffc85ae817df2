"""`CrowdControl` over Ray."""

from actors.calls import actor, ask
from actors.names import ORCHESTRATOR
from resort.crowd import ActView, CrowdMode, CrowdView

WHAT = "The crowd brain"


class RayCrowd:
    """The orchestrator's actor as a `CrowdControl`."""

    async def view(self) -> CrowdView:
        """See the port."""
        view: CrowdView = await ask(actor(ORCHESTRATOR, WHAT).crowd.remote(), WHAT)
        return view

    async def set_mode(self, mode: CrowdMode, by: str) -> None:
        """See the port."""
        await ask(actor(ORCHESTRATOR, WHAT).set_crowd_mode.remote(mode, by), WHAT)

    async def accept(self, proposal_id: str, by: str) -> ActView:
        """See the port."""
        act: ActView = await ask(actor(ORCHESTRATOR, WHAT).accept_proposal.remote(proposal_id, by), WHAT)
        return act

    async def order_sign(self, sign_id: str, gate_id: str | None, minutes: int, by: str) -> None:
        """See the port."""
        await ask(actor(ORCHESTRATOR, WHAT).order_sign.remote(sign_id, gate_id, minutes, by), WHAT)

    async def decline(self, proposal_id: str, by: str) -> ActView:
        """See the port."""
        act: ActView = await ask(actor(ORCHESTRATOR, WHAT).decline_proposal.remote(proposal_id, by), WHAT)
        return act
