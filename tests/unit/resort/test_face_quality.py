"""Faults of photographs by their measures, and advice in both languages."""

import msgspec
import pytest

from resort.face_quality import ENROLMENT, FACE_ADVICE, PASSAGE, FaceFault, FaceMeasures, advice, faults

GOOD = FaceMeasures(faces=1, side_px=160, shown=1.0, turn=0.1, brightness=130, contrast=40, sharpness=0.2)


def test_a_good_photograph_has_no_faults() -> None:
    assert faults(GOOD) == []
    assert advice([]) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"faces": 0}, FaceFault.NONE_FOUND),
        ({"faces": 2}, FaceFault.SEVERAL),
        ({"side_px": 79.0}, FaceFault.TOO_SMALL),
        ({"shown": 0.8}, FaceFault.CUT_OFF),
        ({"turn": 0.6}, FaceFault.TURNED),
        ({"brightness": 40.0}, FaceFault.TOO_DARK),
        ({"brightness": 230.0}, FaceFault.TOO_BRIGHT),
        ({"contrast": 8.0}, FaceFault.FLAT),
        ({"sharpness": 0.02}, FaceFault.BLURRED),
    ],
)
def test_each_fault_is_named(change: dict[str, float], fault: FaceFault) -> None:
    assert faults(msgspec.structs.replace(GOOD, **change)) == [fault]


def test_a_passage_asks_for_less() -> None:
    hasty = msgspec.structs.replace(GOOD, side_px=60.0, turn=0.6, brightness=40.0, sharpness=0.01)
    assert faults(hasty, PASSAGE) == []
    assert faults(hasty, ENROLMENT) == [FaceFault.TOO_SMALL, FaceFault.TURNED, FaceFault.TOO_DARK, FaceFault.BLURRED]


def test_every_fault_has_advice_in_both_languages() -> None:
    assert set(FACE_ADVICE) == set(FaceFault)
    assert all(text.zh and text.en for text in FACE_ADVICE.values())
    assert advice([FaceFault.TOO_DARK]) == [FACE_ADVICE[FaceFault.TOO_DARK]]
