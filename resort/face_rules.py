"""What a face's likeness to its holder means: thresholds from stated false-accept rates, and the verdicts of 1:1 and 1:N.

Pure: scores in, decisions out. Vectors and pictures never come here, so that a decision can be journaled whole. The numbers
hold for the model that `CURVE` names; docs/faces.md has the curve and says what was measured by whom.
"""

from collections.abc import Sequence
from enum import StrEnum
from statistics import NormalDist

import msgspec

from resort.errors import Invalid
from resort.texts import Text

NOBODY = -1.0  # the likeness of nobody


class FaceVerdict(StrEnum):
    """What a lane does with a face."""

    PASS = "pass"  # noqa: S105 - a verdict
    LOOK = "look"  # staff compare the two pictures; the lane does not open by itself
    REFUSE = "refuse"  # the face opens nothing; the ticket's other media still do


class FaceReason(StrEnum):
    """Stable reason code of a face decision: part of the public interface, added and never renamed."""

    MATCH = "face_match"
    UNSURE = "face_unsure"
    OTHER_PERSON = "face_of_another"
    UNKNOWN = "face_unknown"
    LOOKALIKE = "face_lookalike"
    FRAMES_DISAGREE = "face_frames_disagree"
    TOO_FEW_FRAMES = "face_too_few_frames"
    SECOND_FACE = "face_second"
    NO_FACE = "face_none"


FACE_EXPLANATIONS: dict[FaceReason, Text] = {
    FaceReason.MATCH: Text("人脸已确认, 请通行", "Your face is recognised; please pass"),
    FaceReason.UNSURE: Text(
        "人脸比对不确定, 请稍候工作人员确认", "Your face could not be compared with certainty; staff will look"
    ),
    FaceReason.OTHER_PERSON: Text("人脸与票主不符", "This face is not that of the ticket's holder"),
    FaceReason.UNKNOWN: Text("未识别到已登记的人脸, 请出示票码", "This face is not enrolled; please show your ticket"),
    FaceReason.LOOKALIKE: Text("有相似的登记人脸, 请出示票码", "Two enrolled faces are alike; please show your ticket"),
    FaceReason.FRAMES_DISAGREE: Text("请正对镜头, 或出示票码", "Please face the camera, or show your ticket"),
    FaceReason.TOO_FEW_FRAMES: Text("请在镜头前稍停", "Please stay before the camera for a moment"),
    FaceReason.SECOND_FACE: Text("镜头中有多张人脸, 请一人通行", "There is more than one face; one person at a time, please"),
    FaceReason.NO_FACE: Text(
        "未看到人脸, 请正对镜头或出示票码", "No face is seen; please face the camera, or show your ticket"
    ),
}


class LikenessCurve(msgspec.Struct, frozen=True):
    """Likeness (cosine) of two different people, as a normal distribution: what false accepts follow from."""

    model: str
    mean: float
    deviation: float

    def threshold(self, false_accept_rate: float) -> float:
        """The likeness that a pair of strangers reaches at this rate. Raises Invalid for a rate outside 0..0.5."""
        if not 0.0 < false_accept_rate <= 0.5:
            raise Invalid("false accept rate", "it is not above 0 and at most 0.5")
        return self.mean - self.deviation * NormalDist().inv_cdf(false_accept_rate)

    def false_accept_rate(self, threshold: float) -> float:
        """How often a pair of strangers is this alike or more."""
        return NormalDist().cdf((self.mean - threshold) / self.deviation)

    def threshold_among(self, holders: int, stranger_rate: float) -> float:
        """The likeness that a stranger reaches with at least one of so many holders at this rate: 1 - (1 - far)^holders.
        Raises Invalid."""
        if holders < 1 or not 0.0 < stranger_rate < 1.0:
            raise Invalid("stranger rate", "it needs at least one holder and a rate between 0 and 1")
        return self.threshold(min(0.5, 1.0 - (1.0 - stranger_rate) ** (1.0 / holders)))

    def stranger_rate(self, threshold: float, holders: int) -> float:
        """How often a stranger is this alike to at least one of so many holders."""
        return 1.0 - (1.0 - self.false_accept_rate(threshold)) ** holders


# Through SFace's measured points FAR 1e-3 at 0.367 and 1e-4 at 0.430. The third one, 1.4 % of strangers passing 4,340 people at
# 0.5, lies under it (it says 2.2 %): in the tail the curve errs on the side of refusing.
CURVE = LikenessCurve("sface-2021dec", mean=0.0575, deviation=0.1002)


class FaceDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that explains itself; everything in it may be journaled. `holder` only where somebody is meant."""

    verdict: FaceVerdict
    reason: FaceReason
    score: float
    threshold: float
    holder: str | None = None
    runner_up: float = NOBODY
    frames: int = 1
    holders: int = 1
    model_id: str = ""  # whose vectors were compared
    liveness: float | None = None  # advisory: the least of the frames; decided nothing

    @property
    def explanation(self) -> Text:
        """For the guest and the operator."""
        return FACE_EXPLANATIONS[self.reason]


class OneToOne(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket was shown and the face is compared with its holder's. Rates are per comparison with a stranger's ticket."""

    pass_rate: float = 1e-4  # such a share of strangers would pass: 0.430
    look_rate: float = 1e-2  # and such a share be looked at; below that likeness (0.291) it is another person

    def decide(self, score: float, faces: int = 1, *, curve: LikenessCurve = CURVE) -> FaceDecision:
        """`score`: likeness to the holder, of the fused frames; `faces`: the most that any of the frames shows."""
        passes, looks = curve.threshold(self.pass_rate), curve.threshold(self.look_rate)
        if faces < 1:
            verdict, reason = FaceVerdict.LOOK, FaceReason.NO_FACE
        elif faces > 1:
            verdict, reason = FaceVerdict.LOOK, FaceReason.SECOND_FACE
        elif score >= passes:
            verdict, reason = FaceVerdict.PASS, FaceReason.MATCH
        elif score >= looks:
            verdict, reason = FaceVerdict.LOOK, FaceReason.UNSURE
        else:
            verdict, reason = FaceVerdict.REFUSE, FaceReason.OTHER_PERSON
        return FaceDecision(verdict=verdict, reason=reason, score=score, threshold=passes)


class Ranking(msgspec.Struct, frozen=True):
    """The most alike of a gallery, and how alike the next one is."""

    holder: str | None = None
    score: float = NOBODY
    runner_up: float = NOBODY


def merged(rankings: Sequence[Ranking]) -> Ranking:
    """One ranking for one face over the shards of a gallery (each holder in one shard only)."""
    best = max(rankings, key=lambda ranking: ranking.score, default=Ranking())
    others = [ranking.score for ranking in rankings if ranking is not best]
    return Ranking(best.holder, best.score, max([best.runner_up, *others]))


class OneToMany(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A face alone, among the day's holders of a gate group: all of threshold, margin and agreeing frames must hold."""

    stranger_rate: float = 1e-3  # one stranger in a thousand that try is taken for some holder, however many there are
    margin: float = 0.05  # over the runner-up: two who are alike show their tickets
    frames: int = 3  # to be compared
    agreeing: int = 2  # of them that name the same holder by themselves
    frame_rate: float = 1e-3  # and are as alike as a pair of strangers is at this rate (0.367)

    def threshold(self, holders: int, curve: LikenessCurve = CURVE) -> float:
        """The likeness that the fused frames must reach among so many holders. Never below that of a single frame."""
        lowest = curve.threshold(self.frame_rate)
        return max(lowest, curve.threshold_among(holders, self.stranger_rate)) if holders else lowest

    def decide(
        self, whole: Ranking, frames: Sequence[Ranking], holders: int, faces: int = 1, *, curve: LikenessCurve = CURVE
    ) -> FaceDecision:
        """`whole`: ranking of the fused frames; `frames`: each one's own; `faces`: the most that any of them shows."""
        threshold = self.threshold(holders, curve)
        verdict, reason = self._judged(whole, frames, faces, threshold, curve.threshold(self.frame_rate))
        return FaceDecision(
            verdict=verdict,
            reason=reason,
            score=whole.score,
            threshold=threshold,
            holder=whole.holder if verdict is FaceVerdict.PASS else None,
            runner_up=whole.runner_up,
            frames=len(frames),
            holders=holders,
        )

    def _judged(
        self, whole: Ranking, frames: Sequence[Ranking], faces: int, threshold: float, frame_threshold: float
    ) -> tuple[FaceVerdict, FaceReason]:
        if faces > 1:
            return FaceVerdict.REFUSE, FaceReason.SECOND_FACE
        if faces < 1:
            return FaceVerdict.REFUSE, FaceReason.NO_FACE
        if len(frames) < self.frames:
            return FaceVerdict.REFUSE, FaceReason.TOO_FEW_FRAMES
        # Both as "not reached", so that a score which is no number opens nothing.
        if whole.holder is None or not whole.score >= threshold:
            return FaceVerdict.REFUSE, FaceReason.UNKNOWN
        if not whole.score - whole.runner_up >= self.margin:
            return FaceVerdict.REFUSE, FaceReason.LOOKALIKE
        same = [frame for frame in frames if frame.holder == whole.holder and frame.score >= frame_threshold]
        if len(same) < self.agreeing:
            return FaceVerdict.REFUSE, FaceReason.FRAMES_DISAGREE
        return FaceVerdict.PASS, FaceReason.MATCH
