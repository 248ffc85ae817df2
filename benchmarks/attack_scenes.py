"""Pictures of people held up to a lane's camera in place of a face: drawn, not filmed.

What is drawn: paper with a white border, flat contrast and less colour; a screen with its black edge, gamma, blue cast, pixels
and the waves that they make in a camera. What is not, and so says nothing: real paper and ink, real screens and cameras,
gloss, hands, cut-outs, masks, make-up. Knows neither models nor scores.
"""

import math
import random
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

from ml_models.pictures import Picture
from sim.scene import perspective

WIDTH, HEIGHT = 1280, 720  # pixels of a frame
GROUND = (112, 118, 124)
NOISE = 2.5  # standard deviation, grey levels
EDGE_PX = 560  # of the square of paper or screen, as somebody holds it before his own face
CARD_PX = 170  # of a portrait as on a card

Drawn = Callable[[Picture, random.Random], Picture]


def photo_still(picture: Picture, dice: random.Random) -> Picture:
    """A print held still."""
    return _held(_printed(picture), EDGE_PX, (0.0, 0.0), 0.0, 0.0, dice)


def photo_moved(picture: Picture, dice: random.Random) -> Picture:
    """A print that is turned, tilted and moved about from frame to frame, as if a head moved."""
    return _held(
        _printed(picture),
        EDGE_PX,
        (dice.uniform(-60, 60), dice.uniform(-40, 40)),
        dice.uniform(-8, 8),
        dice.uniform(-0.12, 0.12),
        dice,
    )


def screen(picture: Picture, dice: random.Random) -> Picture:
    """A tablet that shows the picture."""
    return _held(_displayed(picture, dice), EDGE_PX, (dice.uniform(-4, 4), dice.uniform(-4, 4)), dice.uniform(-1, 1), 0.0, dice)


def card_portrait(picture: Picture, dice: random.Random) -> Picture:
    """A portrait of the size of one on a card: a face much smaller than a person's at that place."""
    return _held(_printed(picture), CARD_PX, (dice.uniform(-4, 4), dice.uniform(-4, 4)), dice.uniform(-2, 2), 0.0, dice)


KINDS: Mapping[str, Drawn] = {
    "photo_still": photo_still,
    "photo_moved": photo_moved,
    "screen": screen,
    "card_portrait": card_portrait,
}


def _printed(picture: Picture) -> Image.Image:
    paper = _square(picture, 0.06, (236, 236, 232))
    grey = paper.convert("L").convert("RGB")
    faded = Image.blend(paper, grey, 0.2).point([round(22 + value * 0.82) for value in range(256)] * 3)
    return faded.filter(ImageFilter.GaussianBlur(0.8))


def _displayed(picture: Picture, dice: random.Random) -> Image.Image:
    shown = np.asarray(_square(picture, 0.05, (8, 8, 8)), dtype=np.float32) / 255
    rows, columns = np.mgrid[0 : shown.shape[0], 0 : shown.shape[1]].astype(np.float32)
    shown = shown ** (1 / 1.2) * np.array([0.92, 0.98, 1.06], np.float32)
    turn, pitch = dice.uniform(0.02, 0.08), dice.uniform(5.5, 7.5)  # the grid's beat with the camera's pixels, pixels a wave
    along = columns * math.cos(turn) + rows * math.sin(turn)
    for colour in range(3):
        shown[..., colour] *= 1 + 0.06 * np.sin(2 * math.pi * (along / pitch + colour / 3))
    shown *= (1 + 0.03 * np.sin(2 * math.pi * rows / 3))[..., None]  # lines of the grid
    return Image.fromarray((np.clip(shown, 0, 1) * 255).astype(np.uint8))


def _square(picture: Picture, border: float, colour: tuple[int, int, int]) -> Image.Image:
    """The picture in the middle of a square of its own, `border` of the edge wide on every side."""
    inner = round(EDGE_PX * (1 - 2 * border))
    image = Image.fromarray(picture)
    scale = inner / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (EDGE_PX, EDGE_PX), colour)
    square.paste(image, ((EDGE_PX - image.width) // 2, (EDGE_PX - image.height) // 2))
    return square


def _held(
    item: Image.Image, edge: float, shift: tuple[float, float], turn_deg: float, slant: float, dice: random.Random
) -> Picture:
    """The item before a lane's camera; `slant` is by how much one side is shorter than the other."""
    turn, half = math.radians(turn_deg), edge / 2
    corners = []
    for x, y in ((-half, -half), (half, -half), (half, half), (-half, half)):
        y *= 1 + slant * x / half
        u, v = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        corners.append((WIDTH / 2 + shift[0] + u, HEIGHT / 2 + shift[1] + v))
    shaped = perspective(item.width, corners)
    lying = item.transform((WIDTH, HEIGHT), Image.Transform.PERSPECTIVE, shaped, Image.Resampling.BICUBIC)
    mask = Image.new("L", item.size, 255).transform((WIDTH, HEIGHT), Image.Transform.PERSPECTIVE, shaped)
    frame = Image.new("RGB", (WIDTH, HEIGHT), GROUND)
    frame.paste(lying, (0, 0), mask)
    return grained(np.asarray(frame), dice)


def grained(picture: Picture, dice: random.Random) -> Picture:
    """With a sensor's noise."""
    grain = np.random.default_rng(dice.getrandbits(32)).normal(0.0, NOISE, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)
