"""Whether something stands before a camera: empty scenes, guests who come and stay, light that changes, odd pictures."""

import numpy as np
import pytest

from devices.code_engines import Grey
from devices.scene_change import SceneChange

RANDOM = np.random.default_rng(7)


def empty(light: float = 1.0) -> Grey:
    """An empty lane with a camera's grain."""
    rows, columns = np.mgrid[0:480, 0:640]
    scene = 90 + 40 * (columns > 300) + 20 * (rows > 250) + RANDOM.normal(0, 4, (480, 640))
    return np.clip(scene * light, 0, 255).astype(np.uint8)


def guest(light: float = 1.0) -> Grey:
    """A bright face in the middle of it."""
    scene = empty(light)
    scene[140:340, 240:400] = np.clip(205 * light, 0, 255)
    return scene


def known() -> SceneChange:
    """A scene that is known to be empty."""
    change = SceneChange()
    change.settle()
    change.look(empty())
    return change


def test_the_first_frames_count_as_somebody_until_it_is_said_that_nobody_is_there() -> None:
    change = SceneChange()
    change.look(empty())
    change.look(empty())
    assert change.stirred
    change.settle()
    assert not change.stirred
    change.look(empty())
    change.look(empty())
    assert not change.stirred


def test_a_guest_is_noticed_for_as_long_as_he_stays_and_not_longer() -> None:
    change = known()
    for _ in range(200):
        change.look(guest())
        assert change.stirred
    change.look(empty())
    assert not change.stirred


@pytest.mark.parametrize("light", [0.55, 0.8, 1.3])
def test_a_light_that_changes_is_nobody_and_hides_nobody(light: float) -> None:
    change = known()
    change.look(empty(light))
    assert not change.stirred
    change.look(guest(light))
    assert change.stirred


def test_whoever_is_said_to_be_nobody_is_furniture_from_then_on() -> None:
    change = known()
    change.look(guest())
    change.settle()
    change.look(guest())
    change.look(guest())
    assert not change.stirred
    change.look(empty())
    assert change.stirred  # until that is said to be nobody, too


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (240, 320)])
def test_pictures_of_another_size_are_unknown_again_and_none_is_too_small(shape: tuple[int, int]) -> None:
    change = known()
    change.look(np.full(shape, 90, np.uint8))
    assert change.stirred
