"""The album: photographs made small, none where there are none, and broken ones left out."""

import io
from pathlib import Path

from PIL import Image

from sim.face_album import ALONE, STRANGERS, open_album, open_group
from sim.face_scene import FACE_PX


def photograph(path: Path, size: tuple[int, int] = (1600, 1200)) -> None:
    Image.new("RGB", size, (90, 120, 150)).save(path, "PNG")


def test_no_folder_is_no_album(tmp_path: Path) -> None:
    assert open_album(tmp_path / "nowhere") == []


def test_whoever_is_whole_is_in_it(tmp_path: Path) -> None:
    for name in ("one_1", "one_2", "two", "three"):
        photograph(tmp_path / name)
    (tmp_path / "three").write_bytes(b"no picture")
    assert [portrait.person for portrait in open_album(tmp_path)] == ["two"], "of `one` a photograph is missing"
    photograph(tmp_path / "one_3")
    one, two = open_album(tmp_path)
    assert (one.person, len(one.seen), len(two.seen)) == ("one", 2, 1)
    with Image.open(io.BytesIO(two.enrolled)) as enrolled, Image.open(io.BytesIO(two.seen[0])) as seen:
        assert (enrolled.format, max(enrolled.size), max(seen.size)) == ("JPEG", 2 * FACE_PX, FACE_PX)


def test_who_shows_a_face_alone_is_cut_out_of_the_group(tmp_path: Path) -> None:
    assert open_group(ALONE, tmp_path) == []
    photograph(tmp_path / "six", (1280, 886))
    alone, strangers = open_group(ALONE, tmp_path), open_group(STRANGERS, tmp_path)
    people = [portrait.person for portrait in (*alone, *strangers)]
    assert len(set(people)) == len(people) == len(ALONE) + len(STRANGERS), "nobody is both holder and stranger"
    for portrait in alone:
        with Image.open(io.BytesIO(portrait.seen[0])) as seen:
            assert (seen.format, seen.size) == ("JPEG", (FACE_PX, FACE_PX))
