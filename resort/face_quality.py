"""Is a photograph good enough to know somebody by, and if not, what to do better: rules over measures, in both languages.

Pure; `ml_models/face_quality.py` takes the measures. Limits are stricter for enrolment, where there is time to try again, than
for a passage.
"""

from enum import StrEnum

import msgspec

from resort.texts import Text


class FaceFault(StrEnum):
    """What is wrong with a photograph: stable codes for programs."""

    NONE_FOUND = "no_face"
    SEVERAL = "several_faces"
    TOO_SMALL = "too_small"
    CUT_OFF = "cut_off"
    TURNED = "turned"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    FLAT = "too_little_contrast"
    BLURRED = "blurred"


FACE_ADVICE: dict[FaceFault, Text] = {
    FaceFault.NONE_FOUND: Text(
        "照片中未找到人脸: 请正对镜头, 摘下雪镜、口罩和头盔",
        "No face is found: face the camera, without goggles, mask or helmet",
    ),
    FaceFault.SEVERAL: Text(
        "照片中有多张人脸: 请只拍一个人", "There is more than one face: have only one person in the picture"
    ),
    FaceFault.TOO_SMALL: Text(
        "人脸太小: 请靠近镜头, 或使用更清晰的照片", "The face is too small: come closer, or use a larger picture"
    ),
    FaceFault.CUT_OFF: Text("人脸不完整: 请让整张脸位于画面内", "The face is cut off: have all of it in the picture"),
    FaceFault.TURNED: Text(
        "脸转向一侧: 请正对镜头, 头部摆正", "The face is turned away: look straight at the camera, head upright"
    ),
    FaceFault.TOO_DARK: Text(
        "脸部太暗: 请面向光线, 避免逆光", "The face is too dark: turn to the light, with no window behind you"
    ),
    FaceFault.TOO_BRIGHT: Text(
        "脸部太亮: 请避开强光或闪光灯", "The face is too bright: step out of the glare, or use no flash"
    ),
    FaceFault.FLAT: Text(
        "脸部明暗不清: 请擦净镜头, 改善光线", "The face has too little contrast: wipe the lens, or find better light"
    ),
    FaceFault.BLURRED: Text("照片模糊: 请保持不动并对焦后再拍", "The picture is blurred: hold still and focus"),
}


class FaceMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a picture's nearest face. Without a face everything but `faces` is 0."""

    faces: int
    side_px: float = 0.0  # the shorter side of its box
    shown: float = 0.0  # share of its box inside the picture
    turn: float = 0.0  # where the nose is between the eyes: 0 in the middle, 1 under an eye; left or right alike
    brightness: float = 0.0  # mean luma of the aligned face, 0..255
    contrast: float = 0.0  # standard deviation of that luma
    sharpness: float = 0.0  # variance of its Laplacian, after contrast is evened out


class FaceLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a photograph must keep. The defaults are those of enrolment."""

    side_px: float = 80.0
    shown: float = 0.9
    turn: float = 0.5
    darkest: float = 50.0
    brightest: float = 215.0
    contrast: float = 12.0
    sharpness: float = 0.03


ENROLMENT = FaceLimits()
PASSAGE = FaceLimits(side_px=48.0, shown=0.75, turn=0.8, darkest=30.0, brightest=230.0, contrast=10.0, sharpness=0.008)


def faults(measures: FaceMeasures, limits: FaceLimits = ENROLMENT) -> list[FaceFault]:
    """Everything that is wrong, what helps most first; empty for a good photograph."""
    if measures.faces < 1:
        return [FaceFault.NONE_FOUND]
    checks = {
        FaceFault.SEVERAL: measures.faces > 1,
        FaceFault.TOO_SMALL: measures.side_px < limits.side_px,
        FaceFault.CUT_OFF: measures.shown < limits.shown,
        FaceFault.TURNED: measures.turn > limits.turn,
        FaceFault.TOO_DARK: measures.brightness < limits.darkest,
        FaceFault.TOO_BRIGHT: measures.brightness > limits.brightest,
        FaceFault.FLAT: measures.contrast < limits.contrast,
        FaceFault.BLURRED: measures.sharpness < limits.sharpness,
    }
    return [fault for fault, wrong in checks.items() if wrong]


def advice(found: list[FaceFault]) -> list[Text]:
    """What to do better, a sentence for each fault."""
    return [FACE_ADVICE[fault] for fault in found]
