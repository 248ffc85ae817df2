"""Reading, scaling and warping pictures, against arithmetic done by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from ml_models.pictures import checked, luma, open_picture, scaled, warped
from resort.errors import Invalid

GRADIENT = np.stack(np.broadcast_arrays(np.arange(100)[None] * 2, np.arange(80)[:, None] * 3, 7), axis=2).astype(np.uint8)
IDENTITY = np.array([[1.0, 0, 0], [0, 1.0, 0]])


def encoded(picture: np.ndarray, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def test_a_picture_is_read_as_rgb() -> None:
    np.testing.assert_array_equal(open_picture(encoded(GRADIENT, "PNG")), GRADIENT)
    with_alpha = np.dstack([GRADIENT, np.full(GRADIENT.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(open_picture(encoded(with_alpha, "PNG")), GRADIENT)


def test_a_phones_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter turn clockwise
    picture = open_picture(encoded(GRADIENT, "PNG", exif=exif))
    np.testing.assert_array_equal(picture, np.rot90(GRADIENT, -1))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, encoded(GRADIENT, "JPEG")[:200]])
def test_what_is_no_picture_is_invalid(content: bytes) -> None:
    with pytest.raises(Invalid, match="picture"):
        open_picture(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_spoilt_files_are_invalid_or_read_but_never_a_traceback(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content, chance = encoded(GRADIENT, kind, exif=exif), np.random.default_rng(9)
    for _ in range(400):
        bent = bytearray(content)
        for place in chance.integers(0, len(bent), 4):
            bent[place] = chance.integers(256)
        try:
            assert open_picture(bytes(bent)).dtype == np.uint8
        except Invalid:
            continue


def test_other_kinds_of_picture_files_are_not_opened() -> None:
    with pytest.raises(Invalid, match="JPEG, PNG or WebP"):
        open_picture(encoded(GRADIENT, "BMP"))


def test_too_small_and_too_large_pictures_are_refused() -> None:
    with pytest.raises(Invalid, match="less than 16"):
        open_picture(encoded(GRADIENT[:10], "PNG"))
    with pytest.raises(Invalid, match="million pixels"):
        open_picture(encoded(np.zeros((7200, 7200, 3), np.uint8), "PNG"))


@pytest.mark.parametrize("array", [np.zeros((50, 50), np.uint8), np.zeros((50, 50, 4), np.uint8), np.zeros((50, 50, 3))])
def test_arrays_that_are_no_pictures_are_refused(array: np.ndarray) -> None:
    with pytest.raises(Invalid):
        checked(array)


def test_a_warp_by_nothing_changes_nothing() -> None:
    np.testing.assert_array_equal(warped(GRADIENT, IDENTITY, 100, 80), GRADIENT)


def test_a_warp_moves_pixel_centres() -> None:
    moved = warped(GRADIENT, np.array([[1.0, 0, 5], [0, 1.0, 2]]), 100, 80)
    np.testing.assert_array_equal(moved[10:, 10:], GRADIENT[8:-2, 5:-5])
    assert (moved[:2] == 0).all()


def test_a_warp_reads_between_pixels() -> None:
    moved = warped(GRADIENT, np.array([[1.0, 0, 0.5], [0, 1.0, 0]]), 100, 80)
    np.testing.assert_array_equal(moved[5:-5, 5:-5, 0], GRADIENT[5:-5, 5:-5, 0] - 1)  # half of a step of two


def test_a_warp_that_shrinks_averages_and_stays_in_place() -> None:
    third = warped(
        GRADIENT, np.array([[1 / 3, 0, -1 / 3], [0, 1 / 3, -1 / 3]]), 30, 25
    )  # centre of the first 3 x 3 to the origin
    np.testing.assert_array_equal(third[2:20, 2:25], GRADIENT[1::3, 1::3][2:20, 2:25])
    stripes = np.zeros((90, 90, 3), np.uint8)
    stripes[:, ::3] = 240
    shrinking = np.array([[1 / 3, 0, -1 / 3], [0, 1 / 3, -1 / 3]])
    assert (warped(stripes, shrinking, 28, 28)[2:-2, 2:-2] == 80).all()
    assert set(np.unique(warped(stripes, shrinking, 28, 28, average=False)[2:-2, 2:-2])) == {0}


def test_scaling_averages() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert abs(scaled(stripes, 16, 16)[4:-4, 4:-4].astype(int) - 100).max() <= 8
    assert scaled(stripes, 64, 64) is stripes


def test_luma_weighs_colours() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255]]], np.uint8)
    np.testing.assert_allclose(luma(colours), [[76.2, 149.7, 255.0]], atol=0.1)
