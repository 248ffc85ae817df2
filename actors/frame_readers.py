"""Which inference actor reads what for one caller: pictures by the usual one, the frames of a question by all of them.

A lane's frames come one after the other and are sent ahead of their question, so that two actors read for one guest side by
side; a frame goes again to whoever has read it. Frames are known by digest; nothing of a picture is kept.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from actors.face_messages import SeenFrames
from actors.inference_link import InferenceLink
from resort.errors import FacesUnavailable

KNOWN = 16  # frames of which it is remembered who reads them: those of the next question or two
SHUNNED = 64  # new frames that go past an actor after it could not read one: some four seconds of a camera
T = TypeVar("T")


class FrameReaders:
    """The links of a pool, for one caller. `first`: the one that reads for this caller while it can."""

    def __init__(self, links: Sequence[InferenceLink], first: int = 0) -> None:
        self._links = links
        self._usual = self._next = first % len(links)
        self._under_way = [0] * len(links)
        self._shunned = [0] * len(links)
        self._where: dict[bytes, int] = {}  # by digest, oldest first

    async def by_any(self, question: Callable[[InferenceLink], Awaitable[T]]) -> T:
        """The answer of the usual actor, or of the next one that can, which stays the usual one. Raises FacesUnavailable."""
        self._usual, answer = await self._ask(self._usual, question)
        return answer

    async def see_ahead(self, frame: bytes) -> None:
        """Have a frame read that will be asked about. Raises FacesUnavailable, Invalid."""
        await self._read(self._place(frame), lambda link: link.see_ahead([frame]))

    async def see(self, frames: Sequence[bytes]) -> SeenFrames:
        """Frames of one person, as vectors in their order. Raises FacesUnavailable, Invalid."""
        places = [self._place(frame) for frame in frames]
        groups = {place: [number for number, other in enumerate(places) if other == place] for place in dict.fromkeys(places)}
        parts = await asyncio.gather(
            *(self._read(place, partial(_seen, [frames[number] for number in numbers])) for place, numbers in groups.items())
        )
        if len(parts) == 1:
            return parts[0]
        if len({part.model_id for part in parts}) > 1:
            raise FacesUnavailable("The inference actors", "they have different models")
        return SeenFrames(
            parts[0].model_id,
            tuple(vector for part in parts for vector in part.vectors),  # their order says nothing: each frame is ranked alike
            max(part.faces for part in parts),
            min((part.liveness for part in parts if part.liveness is not None), default=None),
        )

    def _place(self, frame: bytes) -> int:
        """Who reads this frame: whoever did, else the one who reads least for this caller now, in turn."""
        digest = hashlib.blake2b(frame, digest_size=16).digest()
        known = self._where.pop(digest, None)
        if known is None or self._shunned[known]:
            order = [(self._next + step) % len(self._links) for step in range(len(self._links))]
            known = min(order, key=lambda place: (self._shunned[place] > 0, self._under_way[place]))
            self._next = (known + 1) % len(self._links)
            self._shunned = [max(0, left - 1) for left in self._shunned]
        self._where[digest] = known
        while len(self._where) > KNOWN:
            del self._where[next(iter(self._where))]
        return known

    async def _read(self, place: int, question: Callable[[InferenceLink], Awaitable[T]]) -> T:
        self._under_way[place] += 1
        try:
            _, answer = await self._ask(place, question)
        finally:
            self._under_way[place] -= 1
        return answer

    async def _ask(self, place: int, question: Callable[[InferenceLink], Awaitable[T]]) -> tuple[int, T]:
        refused: FacesUnavailable | None = None
        for step in range(len(self._links)):
            other = (place + step) % len(self._links)
            try:
                return other, await question(self._links[other])
            except FacesUnavailable as error:
                refused = error
                self._shunned[other] = SHUNNED
        assert refused is not None
        raise refused


def _seen(frames: Sequence[bytes], link: InferenceLink) -> Awaitable[SeenFrames]:
    return link.see(frames)
