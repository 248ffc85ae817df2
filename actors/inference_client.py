"""`FacePool` and `FaceNews` over the inference actors: who is asked what, and what becomes of their answers.

Used by lanes and by the console's process; loads no model. 1:1 asks the one shard that holds the ticket; 1:N needs every
shard, as half of a gallery can make a stranger of a holder and hide a twin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar, cast

import msgspec

from actors.face_messages import SeenFrames, ShardRanking, face_shard
from actors.frame_readers import FrameReaders
from actors.inference_link import InferenceLink, RayInference
from resort.errors import FacesUnavailable, Invalid, SnowgateError
from resort.face_rules import FaceDecision, Ranking, merged
from resort.faces import FaceMeasured
from resort.figures import FaceFigures
from resort.ids import GateId, TicketId
from resort.site import FacesSite

IDENTIFY_S = 3.0
T = TypeVar("T")


class FacesClient:
    """The pool of a site with `faces`. Without `links`: the actors of the Ray that this process is connected to."""

    def __init__(self, faces: FacesSite, links: Sequence[InferenceLink] | None = None, first: int = 0) -> None:
        """`first`: the actor that reads for this caller while it can; lanes start at different ones."""
        actors = faces.inference_actors
        self._rule = faces.one_to_many
        self._links = links if links is not None else [RayInference(shard) for shard in range(actors)]
        self._readers = FrameReaders(self._links, first)

    async def measure(self, picture: bytes) -> FaceMeasured:
        """See `FacePool`."""
        return await self._readers.by_any(lambda link: link.measure(picture))

    async def cut_out(self, frame: bytes) -> bytes | None:
        """See `FaceCutter`."""
        return await self._readers.by_any(lambda link: link.cut_out(frame))

    async def compare(self, ticket_id: TicketId, frames: Sequence[bytes]) -> FaceDecision | None:
        """See `FacePool`."""
        return await self._links[face_shard(ticket_id, len(self._links))].compare(ticket_id, frames)

    async def read_ahead(self, frame: bytes) -> None:
        """See `FacePool`. Whoever reads it is asked about it again with its question."""
        with suppress(FacesUnavailable, Invalid):
            await self._readers.see_ahead(frame)

    async def identify(self, gate_id: GateId, frames: Sequence[bytes]) -> FaceDecision:
        """See `FacePool`. Asked again with the next frame, it looks at that one only: send the last few each time."""
        try:
            async with asyncio.timeout(IDENTIFY_S):
                return await self._identified(gate_id, frames)
        except TimeoutError:
            raise FacesUnavailable("The inference actors", "they take too long") from None

    async def tell(self) -> None:
        """See `FaceNews`."""
        await self._of_all(lambda link: link.look())

    async def figures(self) -> list[FaceFigures | None]:
        """What each actor counts; None: it does not answer."""
        answers = await self._of_all(lambda link: link.figures())
        return [None if isinstance(answer, SnowgateError) else answer for answer in answers]

    async def _identified(self, gate_id: GateId, frames: Sequence[bytes]) -> FaceDecision:
        seen = await self._readers.see(frames)
        if seen.faces != 1 or len(seen.vectors) < self._rule.frames:
            # No gallery is needed to say that.
            decision = self._rule.decide(Ranking(), [Ranking()] * len(seen.vectors), 0, seen.faces)
        else:
            rankings = await self._of_all(lambda link: link.rank(gate_id, seen))
            decision = self._decided(seen, [_whole(ranking) for ranking in rankings])
        return msgspec.structs.replace(decision, model_id=seen.model_id, liveness=seen.liveness)

    def _decided(self, seen: SeenFrames, rankings: Sequence[ShardRanking]) -> FaceDecision:
        whole = merged([ranking.whole for ranking in rankings])
        frames = [merged([ranking.frames[number] for ranking in rankings]) for number in range(len(seen.vectors))]
        holders = sum(ranking.holders for ranking in rankings)
        return self._rule.decide(whole, frames, holders, seen.faces)

    async def _of_all(self, question: Callable[[InferenceLink], Awaitable[T]]) -> list[T | SnowgateError]:
        """Everybody's answer or error, when all have answered: each is limited in time."""
        answers = await asyncio.gather(*(question(link) for link in self._links), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, SnowgateError):
                raise answer
        return cast(list[T | SnowgateError], answers)


def _whole(answer: ShardRanking | SnowgateError) -> ShardRanking:
    """A shard's ranking; without every one of them nobody is identified."""
    if isinstance(answer, SnowgateError):
        raise answer
    return answer
