"""Reading codes: rendered honest frames, hard ones for each second opinion, what is no code, and bytes that are no picture."""

import io
import random
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageDraw

from devices.code_engines import zbar, zbar_problem, zxing
from devices.code_reader import NEAR_FRAMES, SECOND_SHARE, CodeReader, Grey, Reading
from devices.second_looks import LOOKS, Look
from sim.scene import CameraLook, Scene, SceneRenderer

CODE = "W50H00PE4XS8-.C000000V*73NTLQK%VL*AN929"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def renderer() -> SceneRenderer:
    return SceneRenderer()


def matrix(text: str, *, error: str = "m", micro: bool = False) -> Grey:
    code = segno.make(text, micro=True) if micro else segno.make_qr(text, error=error)
    dark = np.pad(np.array([list(row) for row in code.matrix], dtype=np.uint8), 4)
    return np.where(dark == 1, 20, 235).astype(np.uint8)


def lane_with(*papers: tuple[Grey, int, tuple[int, int]]) -> Grey:
    """A plain frame of 640 x 480 with codes (modules, pixels per module, place)."""
    frame = np.full((480, 640), 120, dtype=np.uint8)
    for modules, pixels, (x, y) in papers:
        paper = modules.repeat(pixels, axis=0).repeat(pixels, axis=1)
        frame[y : y + paper.shape[0], x : x + paper.shape[1]] = paper
    return frame


def jpeg(grey: Grey, quality: int = 90) -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "JPEG", quality=quality)
    return out.getvalue()


def dotted(text: str) -> Grey:
    """A code of round dots that touch, as some ticket printers make it."""
    dark = matrix(text, error="h") < 128
    edge = dark.shape[0]
    paper = Image.new("L", (edge * 24, edge * 24), 255)
    pen = ImageDraw.Draw(paper)
    for y, x in zip(*np.nonzero(dark), strict=True):
        pen.ellipse((int(x) * 24 - 1.2, int(y) * 24 - 1.2, int(x) * 24 + 25.2, int(y) * 24 + 25.2), fill=20)
    frame = Image.new("L", (640, 480), 120)
    frame.paste(paper.resize((edge * 6, edge * 6), Image.Resampling.LANCZOS), (100, 5))
    return np.asarray(frame)


# ---- what is read


def test_honest_scenes_are_read_within_three_frames(renderer: SceneRenderer) -> None:
    dice = random.Random(2)
    for seed in range(60):
        text = "".join(dice.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", k=39))
        scene = Scene(text, seed, dice.uniform(0.0, 0.9))
        reader = CodeReader()
        assert text in [reader.read(renderer.frame(scene, number)).text for number in range(3)], scene


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_codes_are_read_any_way_up_and_light_on_dark(turns: int) -> None:
    frame = np.ascontiguousarray(np.rot90(lane_with((matrix(CODE), 6, (200, 100))), turns))
    assert CodeReader().read_grey(frame) == Reading(CODE, True)
    assert CodeReader().read_grey(255 - frame) == Reading(CODE, True)


def test_micro_codes_and_colour_pictures_are_read() -> None:
    assert CodeReader().read_grey(lane_with((matrix("SNOW7", micro=True), 9, (200, 100)))).text == "SNOW7"
    out = io.BytesIO()
    Image.fromarray(lane_with((matrix(CODE), 6, (200, 100)))).convert("RGB").save(out, "JPEG")
    assert CodeReader().read(out.getvalue()).text == CODE


def test_the_largest_of_several_codes_is_the_one_held_up() -> None:
    poster, ticket = (matrix("POSTER"), 3, (20, 20)), (matrix(CODE), 7, (250, 100))
    assert CodeReader().read_grey(lane_with(poster, ticket)).text == CODE
    assert CodeReader().read_grey(lane_with((matrix("POSTER"), 8, (20, 20)), (matrix(CODE), 4, (400, 100)))).text == "POSTER"


@pytest.mark.parametrize("text", ["雪场票", "A" * 600, "line\r\nbreak", "http://example.org/?a=~\\"])
def test_texts_that_no_ticket_has_are_read_as_they_are(text: str) -> None:
    """Whoever holds up another code is told that it is the wrong one, not that it cannot be read."""
    reader = CodeReader()
    reader.read_grey(lane_with())
    assert reader.read_grey(lane_with((matrix(text), 4, (40, 20)))) == Reading(text, True)


def test_of_a_code_within_a_code_the_inner_one_is_meant() -> None:
    outer = lane_with((matrix("OUTER", error="h"), 14, (100, 5)))
    inner = matrix("IN").repeat(3, axis=0).repeat(3, axis=1)
    middle = (5 + 14 * 29 // 2 - inner.shape[0] // 2, 100 + 14 * 29 // 2 - inner.shape[1] // 2)
    outer[middle[0] : middle[0] + inner.shape[0], middle[1] : middle[1] + inner.shape[1]] = inner
    assert CodeReader().read_grey(outer).text == "IN"


# ---- second opinions


UNREADABLE = 41  # the seed of a crumpled code


def readings(frame: Grey, count: int, second_share: float = SECOND_SHARE) -> tuple[list[str | None], int]:
    reader = CodeReader(second_share)
    reader.read_grey(lane_with())
    before = reader.second_opinions
    return [reader.read_grey(frame).text for _ in range(count)], reader.second_opinions - before


def scene_frame(renderer: SceneRenderer, scene: Scene | None) -> Grey:
    return np.asarray(Image.open(io.BytesIO(renderer.frame(scene, 0))))


def test_small_codes_that_zxing_does_not_read_are_read_at_the_second_look() -> None:
    small = SceneRenderer(CameraLook(code_px=(110, 130), blur_px=2.6))
    held = [scene_frame(small, Scene(CODE, seed, 1.0)) for seed in range(60)]
    missed = [frame for frame in held if zxing(frame) is None]
    read = [CODE in readings(frame, 2)[0] for frame in missed]
    assert missed
    assert sum(read) > len(read) / 2


def test_dotted_codes_are_read() -> None:
    assert zbar_problem() is None
    assert zxing(dotted("SNOWGATE/TEST/0123")) is None
    assert readings(dotted("SNOWGATE/TEST/0123"), 1)[0] == ["SNOWGATE/TEST/0123"]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_every_look_reads_a_plain_code_and_knows_where_it_is(look: Look) -> None:
    found = look.read(lane_with((matrix("PLAIN"), 6, (200, 100))))
    assert found is not None
    assert found.text == "PLAIN"
    assert found.box == pytest.approx((224, 124, 350, 250), abs=9)  # the quiet zone of four modules is no part of it


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_no_look_reads_something_where_nothing_is_written(look: Look, renderer: SceneRenderer) -> None:
    assert [look.read(scene_frame(renderer, Scene(None, seed, 0.7))) for seed in range(5)] == [None] * 5


def test_second_looks_are_taken_at_a_share_of_the_frames_only(renderer: SceneRenderer) -> None:
    texts, looked = readings(scene_frame(renderer, Scene(None, UNREADABLE, 0.2)), 100, 0.25)
    assert texts == [None] * 100
    assert 25 <= looked <= 28


def test_nobody_looks_twice_at_an_empty_lane(renderer: SceneRenderer) -> None:
    reader = CodeReader(second_share=1.0)
    assert [reader.read(renderer.frame(None, number)) for number in range(20)] == [Reading(None, False)] * 20
    assert reader.second_opinions == 1  # the first frame is looked at thoroughly: nothing is known of the scene then


def test_a_single_photograph_has_every_look() -> None:
    assert CodeReader().read_grey(dotted("SNOWGATE/TEST/0123")) == Reading("SNOWGATE/TEST/0123", True)


def test_the_frame_after_is_first_looked_at_where_the_code_was_and_a_larger_one_is_seen_soon() -> None:
    small, large = (matrix("SMALL"), 4, (20, 20)), (matrix("LARGE"), 10, (300, 150))
    reader = CodeReader()
    reader.read_grey(lane_with())
    assert [reader.read_grey(lane_with(small)).text for _ in range(6)] == ["SMALL"] * 6
    both = [reader.read_grey(lane_with(small, large)).text for _ in range(NEAR_FRAMES + 1)]
    assert "LARGE" in both
    assert reader.read_grey(lane_with(large)).text == "LARGE"
    assert reader.read_grey(lane_with(small)).text == "SMALL"


def test_without_libzbar0_zxing_reads_alone_and_the_problem_is_told() -> None:
    program = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "from devices.code_engines import zbar_problem\n"
        "from devices.code_reader import CodeReader\n"
        "from sim.scene import Scene, SceneRenderer\n"
        "draw, reader = SceneRenderer(), CodeReader(second_share=1.0)\n"
        "print(zbar_problem())\n"
        "print([reader.read(draw.frame(s, 1)).text for s in (None, Scene('HELLO', 1), Scene(None, 1), Scene(None, 2))])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    problem, texts = done.stdout.splitlines()
    assert problem.startswith("libzbar0 is not installed")
    assert "apt-get install libzbar0" in problem
    assert texts == "[None, 'HELLO', None, None]"


def test_parts_of_a_text_spread_over_several_codes_do_not_upset_zbar() -> None:
    parts = segno.make_sequence("SNOW" * 12, version=1)
    grey = np.where(np.pad(np.array([list(row) for row in parts[0].matrix], dtype=np.uint8), 4) == 1, 20, 235).astype(np.uint8)
    assert zbar(lane_with((grey, 8, (100, 100)))) is None


# ---- whether something is held up


def test_something_unreadable_is_noticed_at_once_and_gone_at_once(renderer: SceneRenderer) -> None:
    reader = CodeReader()
    for seed in range(20):
        assert reader.read(renderer.frame(None, seed)) == Reading(None, False)
        assert reader.read(renderer.frame(Scene(None, seed, seed / 20), 1)) == Reading(None, True)


def test_light_and_coats_are_not_held_up() -> None:
    reader = CodeReader()
    ramp = np.linspace(90, 150, 640, dtype=np.float64)[None, :].repeat(480, axis=0)
    assert not reader.read_grey(ramp.astype(np.uint8)).occupied
    assert not reader.read_grey((ramp * 1.5).astype(np.uint8)).occupied
    coat = ramp.copy()
    coat[60:, 200:460] = 40  # somebody in dark clothes, nothing in hand
    assert not reader.read_grey(coat.astype(np.uint8)).occupied


def test_a_lasting_change_of_the_scene_is_learned(renderer: SceneRenderer) -> None:
    reader = CodeReader(second_share=0.0)
    half = (slice(None, None, 2), slice(None, None, 2))  # a small camera, since so many frames take a while
    reader.read_grey(np.ascontiguousarray(scene_frame(renderer, None)[half]))
    poster = np.ascontiguousarray(scene_frame(renderer, Scene(None, 4, 0.2))[half])
    assert reader.read_grey(poster).occupied
    frames = next(count for count in range(1, 5_001) if not reader.read_grey(poster).occupied)
    assert 200 < frames < 5_000  # half a minute to a quarter of an hour at 6 frames a second: no guest stands so long
    both = poster.copy()
    both[120:, :150] = np.roll(poster, (60, 170), axis=(0, 1))[120:, :150]
    assert reader.read_grey(both).occupied


def test_a_reader_that_starts_while_a_code_is_held_up_learns_the_scene_behind_it(renderer: SceneRenderer) -> None:
    reader = CodeReader()
    assert reader.read(renderer.frame(Scene(CODE, 4), 1)) == Reading(CODE, True)
    assert reader.read(renderer.frame(None, 1)) == Reading(None, False)
    assert reader.read(renderer.frame(Scene(None, 4), 1)) == Reading(None, True)


def test_a_reader_that_starts_on_something_unreadable_is_right_from_the_next_guest_but_one(renderer: SceneRenderer) -> None:
    reader = CodeReader()
    assert reader.read(renderer.frame(Scene(None, 4), 1)) == Reading(None, False)
    for number in range(40):
        assert not reader.read(renderer.frame(None, number)).occupied
    assert reader.read(renderer.frame(Scene(None, 4), 1)).occupied


# ---- outside bytes


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10**6), flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12))
def test_damaged_pictures_never_raise(cut: int, flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(jpeg(lane_with((matrix(CODE), 4, (200, 100))), 40))
    for at, value in flips:
        damaged[at % len(damaged)] = value
    assert CodeReader().read(bytes(damaged[: 1 + cut % len(damaged)])).text in (None, CODE)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_never_raise(body: bytes, like_jpeg: bool) -> None:
    assert CodeReader().read((b"\xff\xd8\xff" if like_jpeg else b"") + body) == Reading(None, False)


@settings(max_examples=60, deadline=None)
@given(npst.arrays(np.uint8, npst.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=90)))
def test_pictures_of_any_size_never_raise(grey: Grey) -> None:
    reader = CodeReader(second_share=1.0)
    reader.read_grey(np.zeros_like(grey))
    reader.read_grey(grey)


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (800, 600), (641, 479), (352, 288)])
def test_cameras_of_any_common_size_are_read_and_may_change_it(size: tuple[int, int]) -> None:
    reader = CodeReader()
    small = jpeg(lane_with((matrix(CODE), 6, (200, 100))))
    assert reader.read(small).text == CODE
    picture = Image.fromarray(lane_with((matrix(CODE), 6, (200, 100)))).resize(size)
    assert reader.read(jpeg(np.asarray(picture))).text == CODE
    plain = jpeg(np.full((size[1], size[0]), 120, dtype=np.uint8))
    assert [reader.read(plain).occupied for _ in range(3)] == [False] * 3
    assert reader.read(small).text == CODE


def test_photographs_of_other_formats_are_read_and_no_others() -> None:
    picture = Image.fromarray(lane_with((matrix(CODE), 6, (200, 100))))
    for kind, text in (("PNG", CODE), ("WEBP", CODE), ("BMP", None), ("GIF", None), ("TIFF", None)):
        out = io.BytesIO()
        picture.save(out, kind)
        assert CodeReader().read(out.getvalue()).text == text, kind
    clear = Image.new("RGBA", picture.size)
    clear.paste((0, 0, 0, 255), mask=picture.point([255 * (value < 60) for value in range(256)]))
    out = io.BytesIO()
    clear.save(out, "PNG")
    assert CodeReader().read(out.getvalue()).text == CODE  # black on what is transparent, which is black, too, to the unwary


def test_a_photograph_of_many_pixels_is_read_at_half_its_size_and_a_giant_not_at_all() -> None:
    large = Image.fromarray(lane_with((matrix(CODE), 6, (200, 100)))).resize((5000, 3750))
    out = io.BytesIO()
    large.save(out, "JPEG")
    assert CodeReader().read(out.getvalue()).text == CODE
    giant = io.BytesIO()
    Image.new("L", (16_000, 1_001)).save(giant, "PNG")
    assert CodeReader().read(giant.getvalue()) == Reading(None, False)


def with_frame_header(precision: int, height: int, width: int) -> bytes:
    """A small JPEG that says something else about itself in its frame header (ITU T.81, B.2.2)."""
    told = bytearray(jpeg(lane_with((matrix(CODE), 4, (200, 100)))))
    at = told.index(b"\xff\xc0")
    told[at + 4 : at + 9] = struct.pack(">BHH", precision, height, width)
    return bytes(told)


@pytest.mark.parametrize(
    "header",
    [(8, 65_500, 65_500), (8, 3_000, 3_001), (8, 0, 0), (8, 0, 640), (12, 480, 640), (16, 480, 640), (0, 480, 640)],
)
def test_a_header_that_promises_a_giant_or_an_odd_picture_is_nothing_there(header: tuple[int, int, int]) -> None:
    assert CodeReader().read(with_frame_header(*header)) == Reading(None, False)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (1, 5_000), (65_500, 1), (641, 479)])
def test_plain_pictures_of_any_size_and_colour_are_nothing_there(mode: str, size: tuple[int, int]) -> None:
    out = io.BytesIO()
    Image.new(mode, size).save(out, "JPEG")
    reader = CodeReader(second_share=1.0)
    assert [reader.read(out.getvalue()) for _ in range(2)] == [Reading(None, False)] * 2


def test_printers_colours_are_read() -> None:
    out = io.BytesIO()
    Image.fromarray(lane_with((matrix(CODE), 6, (200, 100)))).convert("CMYK").save(out, "JPEG")
    assert CodeReader().read(out.getvalue()).text == CODE


def test_a_picture_that_was_cut_off_is_nothing_there() -> None:
    whole = jpeg(lane_with((matrix(CODE), 6, (200, 100))))
    for share in (0.02, 0.3, 0.6, 0.95):
        assert CodeReader().read(whole[: int(len(whole) * share)]) == Reading(None, False)


def test_reading_lets_other_threads_run() -> None:
    """With a switch interval of minutes another thread runs only if the reader gives the interpreter lock away."""
    frame, ran = lane_with((matrix(CODE), 6, (200, 100))), threading.Event()
    before = sys.getswitchinterval()
    with ThreadPoolExecutor(1) as pool:
        reader = CodeReader()
        reader.read_grey(frame)
        sys.setswitchinterval(600)
        try:
            pool.submit(ran.set)
            for _ in range(200):
                reader.read_grey(frame)
                if ran.is_set():
                    break
        finally:
            sys.setswitchinterval(before)
    assert ran.is_set()
