"""What a code camera sees: a code held up with tilt, blur, noise and changing light, a crumpled one, or nobody.

Draws grey JPEG frames, each a pure function of the scene and the frame's number, so that one seed gives the same pictures.
It knows nothing of time, of guests or of how frames travel; that is `sim/camera_server.py`.
"""

import io
import math
import random
from collections import OrderedDict
from dataclasses import dataclass

import msgspec
import numpy as np
import segno
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Grey = NDArray[np.uint8]

_MODULE_PX = 6  # resolution in which a code is kept before it is tilted into the frame
_QUIET_MODULES = 4  # ISO/IEC 18004 asks for a quiet zone of four modules
_CODES_KEPT = 64
_NOISE_MARGIN_PX = 64  # noise fields are larger than a frame and shifted, which costs less than drawing new noise
_NOISE_STEPS = (2, 4, 6, 8, 11)


class CameraLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The camera and how badly codes are held, at difficulty 1. Scenes scale tilt, blur and noise by their difficulty."""

    width: int = 640  # pixels
    height: int = 480  # pixels
    code_px: tuple[int, int] = (190, 270)  # edge length of the paper or screen that carries the code
    turn_deg: float = 40.0  # greatest rotation either way
    slant: float = 0.18  # greatest shift of a corner as a share of the edge, which gives perspective
    blur_px: float = 1.8  # greatest radius of the blur
    noise: float = 9.0  # greatest standard deviation, grey levels
    light: tuple[float, float] = (0.65, 1.2)  # brightness factor of the whole frame
    jpeg_quality: int = 75


@dataclass(frozen=True, slots=True)
class Scene:
    """Somebody at the camera. `text` None is something held up that no reader can read. Difficulty is 0 (easy) to 1."""

    text: str | None
    seed: int
    difficulty: float = 0.5


class SceneRenderer:
    """Draws frames. Not to be shared between threads; one frame costs about 2-4 ms."""

    def __init__(self, look: CameraLook | None = None) -> None:
        self._look = look or CameraLook()
        self._papers: OrderedDict[str, Image.Image] = OrderedDict()
        self._crumpled: tuple[int, Image.Image] | None = None
        self._background = _background(self._look.width, self._look.height)
        self._noise = _noise_fields(self._look.width, self._look.height)

    def frame(self, scene: Scene | None, number: int) -> bytes:
        """The JPEG of frame `number` of the scene; None is the empty approach zone."""
        draw = random.Random(f"{scene.seed if scene else 'empty'}/{number}")
        if scene is None:
            return self._encode(self._background.copy(), 1.0, 4.0, draw)
        mood = random.Random(f"{scene.seed}")  # what stays the same while this guest holds the code
        look, hard = self._look, scene.difficulty
        light = 1.0 + (mood.uniform(*look.light) - 1.0) * min(1.0, 0.3 + hard)
        canvas = self._background.copy()
        self._hold_up(canvas, self._paper(scene), mood, draw, hard)
        return self._encode(canvas, light, look.noise * hard * mood.uniform(0.5, 1.0), draw)

    def _hold_up(self, canvas: Image.Image, paper: Image.Image, mood: random.Random, draw: random.Random, hard: float) -> None:
        """Tilt the paper into the frame where a hand would hold it, with the hand's tremor from frame to frame."""
        look = self._look
        edge = mood.uniform(*look.code_px)
        turn = math.radians(mood.uniform(-look.turn_deg, look.turn_deg) * hard + draw.uniform(-1.5, 1.5))
        slants = [(mood.uniform(-1, 1) * look.slant * hard, mood.uniform(-1, 1) * look.slant * hard) for _ in range(4)]
        corners = []
        for (x, y), (slant_x, slant_y) in zip(((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)), slants, strict=True):
            u, v = (x + slant_x / 2) * edge, (y + slant_y / 2) * edge
            corners.append((u * math.cos(turn) - v * math.sin(turn), u * math.sin(turn) + v * math.cos(turn)))
        left, top = min(u for u, _ in corners), min(v for _, v in corners)
        corners = [(u - left + 2, v - top + 2) for u, v in corners]
        box = (math.ceil(max(u for u, _ in corners)) + 2, math.ceil(max(v for _, v in corners)) + 2)
        tilted = paper.transform(
            box, Image.Transform.PERSPECTIVE, perspective(paper.width, corners), Image.Resampling.BILINEAR, fillcolor=120
        )
        mask = Image.new("L", box)
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        radius = look.blur_px * hard * mood.uniform(0.2, 1.0) * draw.uniform(0.6, 1.0)
        if radius > 0.2:
            tilted, mask = tilted.filter(ImageFilter.BoxBlur(radius)), mask.filter(ImageFilter.BoxBlur(radius))
        free_x, free_y = max(0, look.width - box[0]), max(0, look.height - box[1])
        at = (
            round(free_x * mood.uniform(0.25, 0.75)) + draw.randint(-4, 4),
            round(free_y * mood.uniform(0.25, 0.75)) + draw.randint(-4, 4),
        )
        canvas.paste(tilted, at, mask)

    def _paper(self, scene: Scene) -> Image.Image:
        if scene.text is None:
            if self._crumpled is None or self._crumpled[0] != scene.seed:
                self._crumpled = (scene.seed, _crumple(scene.seed))
            return self._crumpled[1]
        paper = self._papers.get(scene.text)
        if paper is None:
            paper = self._papers[scene.text] = _paper(scene.text)
            if len(self._papers) > _CODES_KEPT:
                self._papers.popitem(last=False)
        return paper

    def _encode(self, canvas: Image.Image, light: float, noise: float, draw: random.Random) -> bytes:
        level = min(range(len(_NOISE_STEPS)), key=lambda index: abs(_NOISE_STEPS[index] - noise))
        x, y = draw.randrange(_NOISE_MARGIN_PX), draw.randrange(_NOISE_MARGIN_PX)
        grain = self._noise[level][y : y + canvas.height, x : x + canvas.width]
        lit = canvas.point([min(255, round(value * light)) for value in range(256)])
        pixels = np.clip(np.asarray(lit, dtype=np.int16) + grain, 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "JPEG", quality=self._look.jpeg_quality)
        return out.getvalue()


def _paper(text: str) -> Image.Image:
    """The code as printed or shown on a screen, with its quiet zone."""
    code = segno.make_qr(text, error="m")
    modules = np.array([list(row) for row in code.matrix], dtype=np.uint8)
    framed = np.pad(modules, _QUIET_MODULES)
    # Ink is not black and paper not white to a camera.
    grey = np.where(framed == 1, 28, 232).astype(np.uint8)
    edge = framed.shape[0] * _MODULE_PX
    return Image.fromarray(grey).resize((edge, edge), Image.Resampling.NEAREST)


def _crumple(seed: int) -> Image.Image:
    """A ticket that was through the wash: folded in waves, smeared, with two of three finder patterns worn off."""
    dice = random.Random(f"crumple/{seed}")
    pixels = np.asarray(_paper(f"{dice.getrandbits(96):024X}"))
    edge = pixels.shape[0]
    rows, columns = np.mgrid[0:edge, 0:edge]
    wave, phase = dice.uniform(14, 22), dice.uniform(0, math.tau)
    shifted_x = (columns + 9 * np.sin(rows / wave + phase)).astype(np.intp) % edge
    shifted_y = (rows + 9 * np.sin(columns / wave - phase)).astype(np.intp) % edge
    image = Image.fromarray(np.ascontiguousarray(pixels[shifted_y, shifted_x]))
    pen = ImageDraw.Draw(image)
    third = edge * 2 // 5
    pen.ellipse((-third // 3, -third // 3, third, third), fill=dice.randint(150, 215))
    pen.ellipse((edge - third, -third // 3, edge + third // 3, third), fill=dice.randint(60, 110))
    for _ in range(4):
        x = dice.randrange(edge)
        pen.line((x, 0, dice.randrange(edge), edge), fill=dice.randint(20, 235), width=7)
    return image.filter(ImageFilter.BoxBlur(2.5))


def _background(width: int, height: int) -> Image.Image:
    """The empty approach zone: snow light falling off to one side, and the posts of the gate."""
    across, down = np.linspace(0.0, 1.0, width), np.linspace(0.0, 1.0, height)
    image = Image.fromarray((150 - 45 * across[None, :] - 25 * down[:, None]).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width // 16, height), fill=70)
    pen.rectangle((width - width // 16, 0, width, height), fill=60)
    pen.rectangle((0, height - height // 12, width, height), fill=95)
    return image.filter(ImageFilter.BoxBlur(2))


def _noise_fields(width: int, height: int) -> list[NDArray[np.int16]]:
    """Sensor noise in a few strengths. The grain itself may be the same on every run: frames shift it by their own seed."""
    shape = (height + _NOISE_MARGIN_PX, width + _NOISE_MARGIN_PX)
    unit = np.random.default_rng(7).normal(0.0, 1.0, shape)
    return [np.rint(unit * sigma).astype(np.int16) for sigma in _NOISE_STEPS]


def perspective(edge: int, corners: list[tuple[float, float]]) -> tuple[float, ...]:
    """Pillow's eight coefficients that map a point of the frame back to the square paper of `edge` pixels."""
    rows, aims = [], []
    for (u, v), (x, y) in zip(corners, ((0, 0), (edge, 0), (edge, edge), (0, edge)), strict=True):
        rows.append([u, v, 1, 0, 0, 0, -x * u, -x * v])
        rows.append([0, 0, 0, u, v, 1, -y * u, -y * v])
        aims += [x, y]
    solved = np.linalg.solve(np.array(rows, dtype=np.float64), np.array(aims, dtype=np.float64))
    return tuple(float(value) for value in solved)
