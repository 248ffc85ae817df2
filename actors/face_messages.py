"""What inference actors and those who ask them say to each other. Loads no model: lanes import it."""

import zlib

import msgspec

from resort.face_rules import Ranking
from resort.ids import TicketId


class SeenFrames(msgspec.Struct, frozen=True):
    """Camera frames of one person, read."""

    model_id: str
    vectors: tuple[bytes, ...] = ()  # of those that can be compared, in order
    faces: int = 0  # the most that any of them shows
    liveness: float | None = None  # the least, 0..1; advisory

    def __repr__(self) -> str:
        return f"SeenFrames({self.model_id}, {len(self.vectors)} frames, {self.faces} faces)"


class ShardRanking(msgspec.Struct, frozen=True):
    """How alike one person's frames are to the holders of one shard who may pass at a gate."""

    holders: int  # who may
    whole: Ranking = Ranking()  # of the fused frames
    frames: tuple[Ranking, ...] = ()  # and of each


def face_shard(ticket_id: TicketId, shards: int) -> int:
    """The shard (0 to `shards` - 1) that holds this ticket's face: the same in every process and on every day."""
    return zlib.crc32(ticket_id.encode()) % shards
