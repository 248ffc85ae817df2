"""Frames for the reader bench: a site code held up under one condition after the other, in two sizes, all from a seed.

One difficulty at a time, from mild to past what can be read, so that a cell tells what a condition costs. What guests do at a
lane, with all difficulties mixed, is `sim/scene.py`; here are only single frames and what is written in them.
"""

import math
import random
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import segno
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from sim.scene import perspective

Grey = NDArray[np.uint8]
Condition = Literal["clean", "rotated", "blurred", "noisy", "dark", "perspective", "small", "glare"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
SIZES = ((640, 480), (1280, 720))
EMPTY_BEFORE = 2  # frames

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_CODE_LENGTH = 39  # as long as a site code
_QUIET_MODULES = 4
_MODULE_PX = 12  # a code is drawn so large and shrunk into the frame: no edge is sharper than a lens makes it
_TREMOR_PX = 3.0
_SMALL_MODULE_PX = (1.7, 2.6)
_MODULE_RANGE_PX = (4.0, 6.5)  # of the other conditions, at 480 lines


@dataclass(frozen=True, slots=True)
class Presentation:
    """One guest's code as it is held up for some frames (height, width), and the lane just before, in the same light."""

    condition: Condition
    text: str
    before: tuple[Grey, ...]
    frames: tuple[Grey, ...]


@dataclass(frozen=True, slots=True)
class _Hold:
    """How this guest holds the code, for all frames alike."""

    modules: int  # edge, with quiet zone
    module_px: float
    turn: float  # radians
    slants: tuple[tuple[float, float], ...]
    centre: tuple[float, float]  # share of the frame's free space


def presentations(seed: int, condition: Condition, size: tuple[int, int], count: int, frames: int) -> list[Presentation]:
    """`count` guests of one cell, always the same for the same arguments. Severity rises evenly from the first to the last."""
    shown = []
    for number in range(count):
        dice = random.Random(f"{seed}/{condition}/{size[0]}/{number}")  # noqa: S311 - a seeded rehearsal
        grain = np.random.default_rng(dice.getrandbits(32))
        text = "".join(dice.choices(_ALPHABET, k=_CODE_LENGTH))
        severity = (number + 0.5) / count
        paper = _paper(text)
        hold = _hold(dice, condition, severity, paper.width // _MODULE_PX, size)
        before = tuple(_frame(None, hold, condition, severity, size, dice, grain) for _ in range(EMPTY_BEFORE))
        drawn = tuple(_frame(paper, hold, condition, severity, size, dice, grain) for _ in range(frames))
        shown.append(Presentation(condition, text, before, drawn))
    return shown


def empty_frames(seed: int, size: tuple[int, int], count: int) -> list[Grey]:
    """The lane with nobody there: the same scene, other grain."""
    grain = np.random.default_rng(seed)
    scene = _background(size)
    return [_with_grain(scene, 3.0, grain) for _ in range(count)]


def _hold(dice: random.Random, condition: Condition, severity: float, modules: int, size: tuple[int, int]) -> _Hold:
    scale = size[1] / 480
    module_px = dice.uniform(*_MODULE_RANGE_PX) * scale
    if condition == "small":
        least, most = _SMALL_MODULE_PX
        module_px = most - (most - least) * severity
    turn = math.radians(dice.uniform(-8, 8))
    if condition == "rotated":
        turn = dice.uniform(-math.pi, math.pi)
    slant = 0.04 if condition != "perspective" else 0.15 + 0.45 * severity
    slants = tuple((dice.uniform(-1, 1) * slant, dice.uniform(-1, 1) * slant) for _ in range(4))
    return _Hold(modules, module_px, turn, slants, (dice.uniform(0.25, 0.75), dice.uniform(0.25, 0.75)))


def _frame(
    paper: Image.Image | None,
    hold: _Hold,
    condition: Condition,
    severity: float,
    size: tuple[int, int],
    dice: random.Random,
    grain: np.random.Generator,
) -> Grey:
    scale = size[1] / 480
    canvas = Image.fromarray(_background(size).astype(np.uint8))
    box = _hold_up(canvas, paper, hold, dice) if paper is not None else None
    if condition == "blurred":
        canvas = canvas.filter(ImageFilter.GaussianBlur((0.8 + 2.4 * severity) * scale * dice.uniform(0.9, 1.1)))
    pixels = np.asarray(canvas, dtype=np.float32)
    if condition == "glare" and box is not None:
        pixels = pixels + _glare(size, box, severity, dice)
    noise = 3.0
    if condition == "dark":
        # Little light is few grey levels and, for the same sensor noise, little signal.
        pixels, noise = 4.0 + pixels * (0.30 - 0.26 * severity), 2.0
    if condition == "noisy":
        noise = 15.0 + 50.0 * severity
    return _with_grain(pixels, noise, grain)


def _hold_up(canvas: Image.Image, paper: Image.Image, hold: _Hold, dice: random.Random) -> tuple[float, float, float]:
    """Draw the paper into the frame; answers its centre and edge, in pixels."""
    edge = hold.modules * hold.module_px
    turn = hold.turn + math.radians(dice.uniform(-1.5, 1.5))
    corners = []
    for (x, y), (slant_x, slant_y) in zip(((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)), hold.slants, strict=True):
        u, v = (x + slant_x / 2) * edge, (y + slant_y / 2) * edge
        corners.append((u * math.cos(turn) - v * math.sin(turn), u * math.sin(turn) + v * math.cos(turn)))
    half = max(max(abs(u), abs(v)) for u, v in corners) + 2
    free_x, free_y = max(0.0, canvas.width - 2 * half), max(0.0, canvas.height - 2 * half)
    centre_x = half + free_x * hold.centre[0] + dice.uniform(-_TREMOR_PX, _TREMOR_PX)
    centre_y = half + free_y * hold.centre[1] + dice.uniform(-_TREMOR_PX, _TREMOR_PX)
    aims = [(centre_x + u, centre_y + v) for u, v in corners]
    # Shrunk to about the size that it has in the frame first: a perspective transform alone would skip pixels.
    shrunk_px = max(hold.modules, round(edge))
    shrunk = paper.resize((shrunk_px, shrunk_px), Image.Resampling.BOX)
    where = perspective(shrunk_px, aims)
    tilted = shrunk.transform(canvas.size, Image.Transform.PERSPECTIVE, where, Image.Resampling.BILINEAR, fillcolor=120)
    mask = Image.new("L", canvas.size)
    ImageDraw.Draw(mask).polygon(aims, fill=255)
    canvas.paste(tilted, (0, 0), mask)
    return centre_x, centre_y, edge


def _glare(size: tuple[int, int], box: tuple[float, float, float], severity: float, dice: random.Random) -> NDArray[np.float32]:
    """A lamp mirrored in a screen or a plastic pocket: a bright spot that drowns a part of the code, and a veil around it."""
    centre_x, centre_y, edge = box
    x, y = (at + dice.uniform(-0.3, 0.3) * edge for at in (centre_x, centre_y))
    columns, rows = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    distance = np.hypot(columns - x, (rows - y) * dice.uniform(0.7, 1.4))
    core = edge * (0.05 + 0.11 * severity)
    light: NDArray[np.float32] = 60 * severity + 260 * np.exp(-((distance / core) ** 2)) + 120 * np.exp(-distance / (2 * core))
    return light.astype(np.float32)


def _paper(text: str) -> Image.Image:
    """The code as printed or shown on a screen, with its quiet zone. Ink is not black and paper not white to a camera."""
    modules = np.array([list(row) for row in segno.make_qr(text, error="m").matrix], dtype=np.uint8)
    grey = np.where(np.pad(modules, _QUIET_MODULES) == 1, 28, 225).astype(np.uint8)
    return Image.fromarray(grey.repeat(_MODULE_PX, axis=0).repeat(_MODULE_PX, axis=1))


def _background(size: tuple[int, int]) -> NDArray[np.float32]:
    """The approach zone: light that falls off to one side, and the posts of the gate."""
    width, height = size
    across, down = np.linspace(0.0, 1.0, width), np.linspace(0.0, 1.0, height)
    scene = (150 - 45 * across[None, :] - 25 * down[:, None]).astype(np.float32)
    scene[:, : width // 16], scene[:, -(width // 16) :], scene[-(height // 12) :] = 70, 60, 95
    return scene


def _with_grain(pixels: NDArray[np.float32], sigma: float, grain: np.random.Generator) -> Grey:
    noisy = pixels + grain.standard_normal(pixels.shape, dtype=np.float32) * np.float32(sigma)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
