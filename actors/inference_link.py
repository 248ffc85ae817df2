"""One inference actor as its callers see it: the port, and its calls over Ray."""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from ray.exceptions import RayError, RayTaskError

from actors.calls import actor, ask
from actors.face_messages import SeenFrames, ShardRanking
from actors.names import inference_name
from actors.picture_pieces import cut
from resort.errors import Busy, DatabaseUnavailable, FacesUnavailable, Unavailable
from resort.face_rules import FaceDecision
from resort.faces import FaceMeasured
from resort.figures import FaceFigures
from resort.ids import GateId, TicketId

WHAT = "The inference actor"
LANE_S = 2.0  # a guest stands before the lane
MEASURE_S = 8.0
NEWS_S = 1.0
_log = logging.getLogger("snowgate.inference")


class InferenceLink(Protocol):
    """Raises FacesUnavailable when the actor is away or has too much to do, Invalid for what is no picture."""

    async def measure(self, picture: bytes) -> FaceMeasured:
        """See `FacePool`."""
        ...

    async def cut_out(self, frame: bytes) -> bytes | None:
        """See `FaceCutter`."""
        ...

    async def see(self, frames: Sequence[bytes]) -> SeenFrames:
        """Frames of one person, as vectors."""
        ...

    async def see_ahead(self, frames: Sequence[bytes]) -> None:
        """Read frames before they are asked about; back when they are."""
        ...

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        """See `FacePool`; the ticket is of its shard."""
        ...

    async def rank(self, gate_id: GateId, seen: SeenFrames) -> ShardRanking:
        """Its shard's part of 1:N."""
        ...

    async def look(self) -> None:
        """There are changes: back when they are taken."""
        ...

    async def figures(self) -> FaceFigures:
        """What it counts."""
        ...


class RayInference:
    """The actor of one shard, by its name. A restarted one is reached by the same handle."""

    def __init__(self, shard: int) -> None:
        self._name = inference_name(shard)
        self._handle: Any = None

    async def measure(self, picture: bytes) -> FaceMeasured:
        """See the port."""
        _, pieces = cut([picture])
        measured: FaceMeasured = await self._ask("measure", pieces, MEASURE_S)
        return measured

    async def cut_out(self, frame: bytes) -> bytes | None:
        """See the port."""
        _, pieces = cut([frame])
        face: bytes | None = await self._ask("cut_out", pieces)
        return face

    async def see(self, frames: Sequence[bytes]) -> SeenFrames:
        """See the port."""
        sizes, pieces = cut(frames)
        seen: SeenFrames = await self._ask("see", [sizes, *pieces])
        return seen

    async def see_ahead(self, frames: Sequence[bytes]) -> None:
        """See the port."""
        sizes, pieces = cut(frames)
        await self._ask("see_ahead", [sizes, *pieces])

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        """See the port."""
        sizes, pieces = cut(frames)
        decision: FaceDecision | None = await self._ask("compare", [ticket_id, sizes, *pieces])
        return decision

    async def rank(self, gate_id: GateId, seen: SeenFrames) -> ShardRanking:
        """See the port."""
        ranking: ShardRanking = await self._ask("rank", [gate_id, seen])
        return ranking

    async def look(self) -> None:
        """See the port."""
        await self._ask("look", [], NEWS_S)

    async def figures(self) -> FaceFigures:
        """See the port."""
        figures: FaceFigures = await self._ask("figures", [], NEWS_S)
        return figures

    async def _ask(self, method: str, arguments: Sequence[object], limit_s: float = LANE_S) -> Any:
        try:
            if self._handle is None:
                self._handle = actor(self._name, WHAT)  # asks Ray's directory: not for each frame
            return await ask(getattr(self._handle, method).remote(*arguments), WHAT, limit_s)
        except (Busy, DatabaseUnavailable) as error:
            raise FacesUnavailable(WHAT, str(error).rstrip(".")) from None
        except FacesUnavailable:
            raise
        except RayTaskError as error:
            _log.error("an inference actor failed at %s: %s", method, error)
            raise FacesUnavailable(WHAT, "it failed, see its log") from None
        except (Unavailable, RayError) as error:
            self._handle = None
            raise FacesUnavailable(WHAT, "it is away or being restarted") from error
