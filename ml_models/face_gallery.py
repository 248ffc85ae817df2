"""The enrolled faces of one shard: an exact search in memory, changed within a call.

Vectors come in decrypted and leave only as likenesses. A holder who is removed is gone, from memory too, when the call
returns. Not safe for several threads at once: an inference actor calls it from one.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_models.face_embedder import LENGTH, Vector, fused, normalised
from resort.errors import Invalid
from resort.face_rules import FaceDecision, OneToMany, Ranking

ROOM = 1024  # at first; doubled when it is full
BLOCK = 2048  # rows of one half, half a megabyte
# A vector is kept in two halves, each in a matrix of its own: OpenBLAS takes 1.4 ms for three queries among 50,000 vectors so,
# and 2.3 ms for rows of 128 numbers (measured on a processor with AVX-512, one thread).
HALF = LENGTH // 2
TOGETHER = 3  # queries in one product: with a fourth OpenBLAS takes another way, which costs twice as much

Scores = npt.NDArray[np.float32]


class Gallery:
    """Holders' vectors of one model, by any text that names a holder (a ticket's or guest's id)."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id
        self._matrix: npt.NDArray[np.float32] = np.zeros((2, ROOM, HALF), np.float32)
        self._holders: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def __contains__(self, holder: object) -> bool:
        return holder in self._places

    def __repr__(self) -> str:
        return f"Gallery({self.model_id}, {len(self)} holders)"

    def add(self, holder: str, vectors: Sequence[Vector], model_id: str) -> None:
        """Enrol a holder by one or more vectors, or replace what was enrolled; found by the next search. Raises Invalid, also
        for vectors of another model."""
        if model_id != self.model_id:
            raise Invalid("face vector", f"it is of {model_id}, and the gallery of {self.model_id}")
        vector = fused(vectors)
        place = self._places.get(holder)
        if place is None:
            place = len(self._holders)
            if place == self._matrix.shape[1]:
                self._matrix = self._doubled()
            self._holders.append(holder)
            self._places[holder] = place
        self._matrix[:, place] = vector.reshape(2, HALF)

    def remove(self, holder: str) -> bool:
        """Forget a holder at once; False: was not enrolled here. The last row takes the free place, its old one is wiped."""
        place = self._places.pop(holder, None)
        if place is None:
            return False
        last = len(self._holders) - 1
        mover = self._holders.pop()
        if place != last:
            self._matrix[:, place] = self._matrix[:, last]
            self._holders[place] = mover
            self._places[mover] = place
        self._matrix[:, last] = 0.0
        return True

    def likeness(self, holder: str, vector: Vector) -> float | None:
        """1:1: how alike a face is to one holder's; None: not enrolled here. Raises Invalid."""
        place = self._places.get(holder)
        return None if place is None else float(self._matrix[:, place].ravel() @ normalised(vector))

    def rank(self, vectors: Sequence[Vector]) -> list[Ranking]:
        """1:N: the most alike holder for each face, exactly, and how alike the next one is. Raises Invalid."""
        if not self._holders or not vectors:
            return [Ranking() for _ in vectors]
        queries = np.stack([normalised(vector) for vector in vectors])
        return [self._ranked(scores) for scores in self._scores(queries)]

    def rank_frames(self, vectors: Sequence[Vector]) -> tuple[Ranking, list[Ranking]]:
        """For several frames of one face: the ranking of all of them fused, and each one's own, in one pass over the gallery.
        Raises Invalid."""
        queries = [normalised(vector) for vector in vectors]
        fused(queries)  # refuses frames that have no direction together
        if not self._holders:
            return Ranking(), [Ranking() for _ in vectors]
        scores = self._scores(np.stack(queries))
        # The fused vector is the mean of the frames' at length 1, so its likeness is the mean of theirs over that length.
        length = float(np.linalg.norm(np.mean(queries, axis=0, dtype=np.float32)))
        whole = self._ranked(scores.sum(axis=0, dtype=np.float32) / np.float32(length * len(scores)))
        return whole, [self._ranked(row) for row in scores]

    def identify(self, vectors: Sequence[Vector], faces: int = 1, rule: OneToMany | None = None) -> FaceDecision:
        """Who these frames of one face show, by `rule`, when this gallery is not one shard of several. Raises Invalid."""
        whole, frames = self.rank_frames(vectors) if vectors else (Ranking(), [])
        return (rule or OneToMany()).decide(whole, frames, len(self), faces)

    def _scores(self, queries: npt.NDArray[np.float32]) -> Scores:
        """Likeness to every holder, for each query. Several queries go over the rows in blocks that stay in the cache; one goes
        by einsum, which keeps to its thread: BLAS takes all cores for it, and twice the processor time."""
        held = self._matrix[:, : len(self._holders)]
        scores = np.empty((len(queries), len(self._holders)), np.float32)
        if len(queries) == 1:
            np.einsum("ij,j->i", held[0], queries[0, :HALF], out=scores[0])
            scores[0] += np.einsum("ij,j->i", held[1], queries[0, HALF:])
            return scores
        parts = [slice(first, first + TOGETHER) for first in range(0, len(queries), TOGETHER)]
        across = [[np.ascontiguousarray(half) for half in (queries[part, :HALF].T, queries[part, HALF:].T)] for part in parts]
        for start in range(0, len(self._holders), BLOCK):
            block = held[:, start : start + BLOCK]
            for part, (first, second) in zip(parts, across, strict=True):
                product = block[0] @ first
                product += block[1] @ second
                scores[part, start : start + BLOCK] = product.T
        return scores

    def _ranked(self, row: Scores) -> Ranking:
        place = int(row.argmax())
        best = float(row[place])
        if len(row) == 1:
            return Ranking(self._holders[place], best)
        row[place] = -np.inf
        return Ranking(self._holders[place], best, float(row.max()))

    def _doubled(self) -> npt.NDArray[np.float32]:
        rows = self._matrix.shape[1]
        larger = np.zeros((2, 2 * rows, HALF), np.float32)
        larger[:, :rows] = self._matrix
        self._matrix[:] = 0.0  # the old memory goes back without a trace of anybody
        return larger
