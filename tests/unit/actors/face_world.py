"""People with made-up faces (directions at random), and what the tests of the inference pool have in common."""

from collections.abc import Callable
from datetime import date
from typing import TypeVar

import numpy as np

from actors.face_messages import face_shard
from ml_models.face_embedder import LENGTH, Vector, normalised, packed
from resort.faces import StoredFace
from resort.ids import TicketId

MODEL = "made-up"
TODAY = date(2026, 12, 5)
T = TypeVar("T")


def face_of(number: int) -> Vector:
    """Somebody's face: always the same for a number."""
    return normalised(np.random.default_rng(number).standard_normal(LENGTH, np.float32))


def like(vector: Vector, likeness: float, number: int = 0) -> Vector:
    """A face of the given likeness to another, off in a direction of its own for each number."""
    noise = face_of(10_000 + number)
    across = normalised(noise - float(noise @ vector) * vector)
    return normalised(likeness * vector + float(np.sqrt(1.0 - likeness**2)) * across)


def ticket(number: int) -> TicketId:
    """A ticket's id."""
    return TicketId(f"{number:016x}")


def ticket_of(shard: int, shards: int, start: int = 1) -> TicketId:
    """The first ticket from that number on whose face belongs to that shard."""
    return next(ticket(number) for number in range(start, start + 1000) if face_shard(ticket(number), shards) == shard)


def stored(
    ticket_id: TicketId,
    vector: Vector,
    *,
    places: tuple[str, ...] = (),
    valid_on: date = TODAY,
    valid_until: date = TODAY,
    model_id: str = MODEL,
) -> StoredFace:
    """An enrolled face."""
    return StoredFace(
        ticket_id=ticket_id,
        model_id=model_id,
        vector=packed(vector),
        valid_on=valid_on,
        valid_until=valid_until,
        places=places,
    )


class Inline:
    """Work on galleries done at once."""

    async def run(self, work: Callable[[], T]) -> T:
        """See the port `Bench`."""
        return work()
