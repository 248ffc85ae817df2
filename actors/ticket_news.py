"""`TicketNews` over Ray: tells every gate's actor what became of tickets while the ledger is away."""

import asyncio
from collections.abc import Sequence

from actors.calls import actor, ask
from actors.names import gate_name
from resort.errors import Unavailable
from resort.messages import TicketChanged
from resort.site import Site

TELL_S = 1.0


class RayTicketNews:
    """Every gate of the site."""

    def __init__(self, site: Site) -> None:
        self._gate_ids = [str(gate.id) for gate in site.gates]

    async def tell(self, changes: Sequence[TicketChanged]) -> None:
        """See the port. Every gate is told, also when another one is away."""
        told = await asyncio.gather(*(self._tell(gate_id, list(changes)) for gate_id in self._gate_ids))
        away = [gate_id for gate_id, took in zip(self._gate_ids, told, strict=True) if not took]
        if away:
            raise Unavailable(f"The gate {away[0]}", "it was not told what became of tickets, and will be")

    async def _tell(self, gate_id: str, changes: list[TicketChanged]) -> bool:
        try:
            await ask(actor(gate_name(gate_id), "The gate").take_changes.remote(changes), "The gate", TELL_S)
        except Unavailable:
            return False
        return True
