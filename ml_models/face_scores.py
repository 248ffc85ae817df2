"""How well likenesses tell pairs of one person from pairs of two: the figures that face sets are compared by. Pure numpy.

Reads no picture and knows no threshold of ours; `resort/face_rules.py` has those. The ten folds are those of "Labeled Faces in
the Wild" (G. Huang and others, 2007).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from resort.errors import Invalid

FOLDS = 10

Scores = npt.NDArray[np.float64]
Same = npt.NDArray[np.bool_]


class PairScores:
    """Likenesses of pairs, [n], and whether each shows one person. Raises Invalid unless there are pairs of both kinds."""

    def __init__(self, scores: Sequence[float], same: Sequence[bool]) -> None:
        self.scores: Scores = np.asarray(scores, np.float64)
        self.same: Same = np.asarray(same, np.bool_)
        if self.scores.shape != self.same.shape or self.scores.ndim != 1:
            raise Invalid("pairs", "there is not one likeness for each")
        if not self.same.any() or self.same.all():
            raise Invalid("pairs", "there must be pairs of one person and pairs of two")

    def accuracy(self, threshold: float) -> float:
        """Share of the pairs that this threshold tells rightly."""
        return float(np.mean((self.scores >= threshold) == self.same))

    def true_accepts(self, threshold: float) -> float:
        """Share of the pairs of one person at or above the threshold."""
        return float(np.mean(self.scores[self.same] >= threshold))

    def false_accepts(self, threshold: float) -> float:
        """Share of the pairs of two people at or above the threshold."""
        return float(np.mean(self.scores[~self.same] >= threshold))

    def threshold_at(self, false_accept_rate: float) -> float:
        """The least likeness that at most this share of the pairs of two people exceed. Where there are too few pairs for a
        rate, none of them may."""
        others = np.sort(self.scores[~self.same])[::-1]
        allowed = int(np.floor(false_accept_rate * len(others) + 1e-9))
        return float(np.nextafter(others[min(allowed, len(others) - 1)], np.inf))

    def ten_fold(self) -> tuple[float, float, float]:
        """Mean accuracy of ten folds, its standard deviation, and the mean threshold: each fold is told by the threshold that
        is best for the nine others. Pairs go into the folds in their order, each kind for itself."""
        folds = self._folds()
        accuracies, thresholds = [], []
        for fold in range(FOLDS):
            inside = folds == fold
            if not inside.any() or inside.all():
                continue
            threshold = best_threshold(self.scores[~inside], self.same[~inside])
            thresholds.append(threshold)
            accuracies.append(float(np.mean((self.scores[inside] >= threshold) == self.same[inside])))
        return float(np.mean(accuracies)), float(np.std(accuracies)), float(np.mean(thresholds))

    def _folds(self) -> npt.NDArray[np.int64]:
        folds = np.empty(len(self.same), np.int64)
        for kind in (True, False):
            places = np.flatnonzero(self.same == kind)
            folds[places] = np.arange(len(places)) * FOLDS // len(places)
        return folds


def best_threshold(scores: Scores, same: Same) -> float:
    """The threshold that tells most pairs rightly; of several, the middle of the widest gap."""
    order = np.argsort(scores, kind="stable")
    ranked, alike = scores[order], same[order]
    # With the cut before place k, everything below k is called two people and the rest one person.
    right = np.concatenate([[0], np.cumsum(~alike)]) + alike.sum() - np.concatenate([[0], np.cumsum(alike)])
    edges = np.concatenate([[ranked[0] - 1e-6], ranked, [ranked[-1] + 1e-6]])
    best = np.flatnonzero(right == right.max())
    cut = int(best[int(np.argmax(edges[best + 1] - edges[best]))])
    return float((edges[cut] + edges[cut + 1]) / 2)
