"""What a camera's scene tells: something held up and where, in any light; a lens that sees nothing from a lane with nobody."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchmarks.reader_scenes import Grey, empty_frames, presentations
from devices.lane_scene import DULL_LOOKS, LIGHT_EVERY, LaneScene
from resort.ports import CameraView

SIZE = (640, 480)
EMPTY = empty_frames(7, SIZE, 8)
FRAMES_TO_JUDGE = LIGHT_EVERY * DULL_LOOKS


def watched(frames: list[Grey], count: int) -> LaneScene:
    scene = LaneScene()
    for number in range(count):
        scene.look(frames[number % len(frames)], has_text=False)
    return scene


def view_after(scene: LaneScene, change: list[Grey]) -> CameraView:
    for number in range(FRAMES_TO_JUDGE):
        scene.look(change[number % len(change)], has_text=False)
    assert scene.view is not None
    return scene.view


def smeared(frames: list[Grey]) -> list[Grey]:
    """Through a lens with a film on it: veiled, and without edges."""
    blurred = [np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(12))) for frame in frames]
    return [(150 + frame * 0.15).astype(np.uint8) for frame in blurred]


def test_a_clear_lens_is_clear_for_hours() -> None:
    scene = watched(EMPTY, 50)
    assert view_after(scene, EMPTY).state == "clear"


def test_a_dirty_lens_is_told_from_nobody_there() -> None:
    scene = watched(EMPTY, 50)
    assert view_after(scene, smeared(EMPTY)).state == "dull"
    assert not scene.occupied
    assert view_after(scene, EMPTY).state == "clear"


def test_dusk_is_no_dirt_and_the_night_is_dark() -> None:
    scene = watched(EMPTY, 50)
    assert view_after(scene, [(frame * 0.4).astype(np.uint8) for frame in EMPTY]).state == "clear"
    assert view_after(scene, [(frame * 0.08).astype(np.uint8) for frame in EMPTY]).state == "dark"
    assert view_after(scene, EMPTY).state == "clear"


def test_the_sun_in_the_lens_is_glare() -> None:
    blinded = [frame.copy() for frame in EMPTY]
    for frame in blinded:
        frame[:, 100:450] = 255
    assert view_after(watched(EMPTY, 50), blinded).state == "glare"


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (320, 240)])
def test_what_is_held_up_lies_within_what_is_covered(size: tuple[int, int]) -> None:
    for shown in presentations(5, "clean", size, 6, 1):
        scene = LaneScene()
        scene.look(empty_frames(5, size, 1)[0], has_text=False)
        scene.look(shown.frames[0], has_text=False)
        assert scene.occupied
        assert scene.covered is not None
        left, top, right, bottom = scene.covered
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        rows, columns = np.nonzero(shown.frames[0] < 45)  # ink: darker than anything of the lane
        assert left <= np.percentile(columns, 1) <= np.percentile(columns, 99) <= right
        assert top <= np.percentile(rows, 1) <= np.percentile(rows, 99) <= bottom


def test_a_light_that_goes_out_is_nothing_held_up_and_a_code_is_seen_in_the_dark() -> None:
    scene = watched(EMPTY, 20)
    dimmed = [(frame * 0.15).astype(np.uint8) for frame in EMPTY]
    for frame in dimmed:
        scene.look(frame, has_text=False)
        assert not scene.occupied
    code = presentations(5, "clean", SIZE, 1, 1)[0].frames[0]
    scene.look((code * 0.15).astype(np.uint8), has_text=False)
    assert scene.occupied


def test_a_picture_smaller_than_a_tile_says_nothing() -> None:
    scene = watched([np.zeros((9, 9), dtype=np.uint8)], FRAMES_TO_JUDGE)
    assert not scene.occupied
    assert scene.view is not None
    assert scene.view.state == "clear"
