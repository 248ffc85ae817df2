"""Rendered frames: the same for the same seed, readable where they should be, unreadable where nobody should read them."""

import io
import itertools
import random

import numpy as np
import pytest
import zxingcpp
from PIL import Image
from pyzbar import pyzbar

from devices.code_reader import Grey
from sim.scene import CameraLook, Scene, SceneRenderer

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


@pytest.fixture(scope="module")
def renderer() -> SceneRenderer:
    return SceneRenderer()


def picture(jpeg: bytes) -> Grey:
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.mode == "L"
        return np.asarray(image)


def texts(grey: Grey) -> set[str]:
    """Whatever either reader finds."""
    found = {code.text for code in zxingcpp.read_barcodes(grey)}
    return found | {code.data.decode() for code in pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])}


def test_a_frame_depends_on_scene_and_number_only(renderer: SceneRenderer) -> None:
    scene = Scene("SAME PICTURE", 3)
    frames = [renderer.frame(scene, number) for number in range(3)]
    renderer.frame(Scene("OTHER", 4), 9)
    again = SceneRenderer()
    assert [again.frame(scene, number) for number in range(3)] == frames
    assert len(set(frames)) == 3
    assert again.frame(Scene("SAME PICTURE", 4), 0) != frames[0]
    assert again.frame(None, 1) == renderer.frame(None, 1)
    assert again.frame(Scene(None, 1), 1) == renderer.frame(Scene(None, 1), 1)


def test_every_honest_first_frame_is_read(renderer: SceneRenderer) -> None:
    dice = random.Random(11)
    for seed in range(60):
        text = "".join(dice.choices(ALPHABET, k=39))
        assert texts(picture(renderer.frame(Scene(text, seed, dice.uniform(0, 0.8)), 0))) == {text}, seed


def test_crumpled_tickets_are_read_by_nobody(renderer: SceneRenderer) -> None:
    for seed, number in itertools.product(range(60), range(2)):
        assert texts(picture(renderer.frame(Scene(None, seed, (seed % 10) / 10), number))) == set(), (seed, number)


def test_an_empty_lane_shows_no_code(renderer: SceneRenderer) -> None:
    assert texts(picture(renderer.frame(None, 0))) == set()


def test_difficulty_makes_frames_harder() -> None:
    harsh = SceneRenderer(CameraLook(code_px=(110, 190), turn_deg=60, slant=0.3, blur_px=2.6, noise=14.0, light=(0.35, 1.5)))
    read = [
        sum(bool(zxingcpp.read_barcodes(picture(harsh.frame(Scene("HARD TO READ", seed, hard), 0)))) for seed in range(40))
        for hard in (0.0, 1.2)
    ]
    assert read[0] == 40
    assert read[1] < 40


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720)])
def test_frames_have_the_size_of_the_camera(size: tuple[int, int]) -> None:
    renderer = SceneRenderer(CameraLook(width=size[0], height=size[1], code_px=(180, 200)))
    for scene in (None, Scene("SIZE", 1), Scene(None, 1)):
        assert picture(renderer.frame(scene, 1)).shape == (size[1], size[0])


def test_a_code_that_was_forgotten_is_drawn_the_same_again(renderer: SceneRenderer) -> None:
    first = renderer.frame(Scene("CODE 0", 1), 1)
    for number in range(1, 80):
        renderer.frame(Scene(f"CODE {number}", 1), 1)
    assert renderer.frame(Scene("CODE 0", 1), 1) == first
