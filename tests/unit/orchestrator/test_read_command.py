"""`snowgate read`: codes in files and folders, what is no picture, and the exit codes."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
import segno
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from devices.second_looks import LOOKS
from orchestrator.cli import app
from orchestrator.read_command import PictureRead, line_of, pictures_in, read_picture


def code(folder: Path, text: str, name: str) -> Path:
    """A picture of a code."""
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="png", scale=6, border=8)
    Image.open(drawn).convert("L").save(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.bmp", "a.tif"])
def test_a_code_is_read_whatever_the_file(tmp_path: Path, name: str) -> None:
    outcome = read_picture(code(tmp_path, "SNOWGATE/TEST/0123", name))
    assert (outcome.text, outcome.symbology, outcome.look) == ("SNOWGATE/TEST/0123", "QR Code", "first look")
    assert outcome.problem == ""
    assert outcome.box is not None


def test_a_second_look_is_named(tmp_path: Path) -> None:
    Image.open(code(tmp_path, "SNOWGATE/TEST/0123", "a.png")).filter(ImageFilter.GaussianBlur(3)).save(tmp_path / "b.png")
    outcome = read_picture(tmp_path / "b.png")
    assert outcome.text == "SNOWGATE/TEST/0123"
    assert outcome.look in {look.name for look in LOOKS}


def test_a_folder_is_its_pictures_and_those_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    wanted = [code(tmp_path, "A" * 20, "1.png"), code(tmp_path / "below", "B" * 20, "2.jpg")]
    (tmp_path / "notes.txt").write_text("none", "utf-8")
    assert pictures_in(tmp_path) == wanted
    told = tmp_path / "out.json"
    done = CliRunner().invoke(app, ["read", str(tmp_path), "--json", str(told)])
    assert done.exit_code == 0, done.output
    assert "2 of 2 pictures read" in done.output
    assert [outcome.text for outcome in msgspec.json.decode(told.read_bytes(), type=list[PictureRead])] == ["A" * 20, "B" * 20]


def test_what_is_not_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    Image.new("L", (320, 240), 128).save(tmp_path / "empty.png")
    (tmp_path / "text.jpg").write_text("no picture", "utf-8")
    (tmp_path / "folder").mkdir()
    run = CliRunner().invoke
    assert run(app, ["read", str(tmp_path / "empty.png")]).exit_code == 1
    assert "no code is found in it" in run(app, ["read", str(tmp_path / "empty.png")]).output
    for name, said in (("text.jpg", "no picture"), ("nowhere.jpg", "cannot be read"), ("folder", "no picture in this folder")):
        done = run(app, ["read", str(tmp_path / "empty.png"), str(tmp_path / name)])
        assert done.exit_code == 2
        assert said in done.output


def test_no_lane_reads_bar_codes_but_one_may_ask(tmp_path: Path) -> None:
    made = zxing_aztec()
    Image.fromarray(made).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").text is None
    outcome = read_picture(tmp_path / "a.png", any_kind=True)
    assert (outcome.text, outcome.look) == ("SNOWGATE", "any symbology")
    assert outcome.symbology.startswith("Aztec")


def zxing_aztec() -> NDArray[np.uint8]:
    """An Aztec code, drawn by zxing-cpp."""
    barcode = zxingcpp.create_barcode("SNOWGATE", zxingcpp.BarcodeFormat.Aztec)
    return np.asarray(barcode.to_image(scale=6, add_quiet_zones=True))


def test_what_cannot_be_shown_is_escaped() -> None:
    assert line_of(PictureRead("a.png", "雪\n\x1b[2J", "QR Code", "first look")).startswith("a.png: 雪\\n\\x1b[2J  (")
