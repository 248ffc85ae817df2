"""Face recognition tried from outside: lists and folders read, decisions counted, and the commands with real models."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from benchmarks.face_photographs import photographs
from ml_models.face_embedder import LENGTH, Vector, normalised
from orchestrator.cli import app
from orchestrator.face_trial import TrialFace, enrolled, identify, in_groups
from orchestrator.face_trial_files import Pair, load_pairs, load_people
from orchestrator.measured import Measured
from resort.errors import Invalid
from resort.face_rules import FaceReason, OneToMany


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def save(folder: Path, name: str, file: str) -> Path:
    """A photograph as a file in a person's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    Image.fromarray(photographs()[name]).save(content, "JPEG", quality=92)
    (folder / file).write_bytes(content.getvalue())
    return folder / file


def along(*places: int) -> Vector:
    """A direction between some axes."""
    vector = np.zeros(LENGTH, np.float32)
    vector[list(places)] = 1.0
    return normalised(vector)


def face(vector: Vector | None, faces: int = 1) -> TrialFace:
    return TrialFace(faces, vector, fit_to_enrol=vector is not None, fit_to_pass=vector is not None)


def test_lists_of_pairs_in_all_their_forms(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(
        "one,other,same\na.jpg, b/c.jpg, 1\n\n# by hand\na.jpg;d.jpg;0\nx.png\ty z.png\t1\na.jpg d.jpg 0\n", "utf-8"
    )
    assert load_pairs(file, tmp_path) == [
        Pair(tmp_path / "a.jpg", tmp_path / "b/c.jpg", True),
        Pair(tmp_path / "a.jpg", tmp_path / "d.jpg", False),
        Pair(tmp_path / "x.png", tmp_path / "y z.png", True),
        Pair(tmp_path / "a.jpg", tmp_path / "d.jpg", False),
    ]
    file.write_text("10\t300\nAbel_P\t1\t4\nAbel_P\t1\tBo\t12\n", "utf-8")
    root = Path("lfw")
    assert load_pairs(file, root) == [
        Pair(root / "Abel_P/Abel_P_0001.jpg", root / "Abel_P/Abel_P_0004.jpg", True),
        Pair(root / "Abel_P/Abel_P_0001.jpg", root / "Bo/Bo_0012.jpg", False),
    ]


@pytest.mark.parametrize("text", ["", "one,other,same\n", "a,b,1\na,b,2\n", "a,b,1\na,b\n"])
def test_a_list_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(Invalid):
        load_pairs(file, tmp_path)


def test_people_are_folders_with_pictures(tmp_path: Path) -> None:
    for name in ("bo/2.JPG", "bo/1.png", "an/1.webp", "an/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    assert load_people(tmp_path) == {"an": [tmp_path / "an/1.webp"], "bo": [tmp_path / "bo/1.png", tmp_path / "bo/2.JPG"]}
    with pytest.raises(Invalid):
        load_people(tmp_path / "empty")
    with pytest.raises(Invalid):
        load_people(tmp_path / "nowhere")


def test_groups_are_of_three_and_a_rest_is_left_out() -> None:
    pictures = [Path(str(number)) for number in range(7)]
    groups = in_groups({"an": pictures, "bo": pictures[:2]}, 3)
    assert groups == [("an", tuple(pictures[:3])), ("an", tuple(pictures[3:6]))]


def test_every_group_is_counted_once() -> None:
    pictures = {name: Path(name) for name in ("an", "bo", "like an", "stranger", "blurred", "crowd")}
    faces = {
        pictures["an"]: face(along(1)),
        pictures["bo"]: face(along(2)),
        pictures["like an"]: face(along(1)),
        pictures["stranger"]: face(along(3)),
        pictures["blurred"]: face(None),
        pictures["crowd"]: face(along(1), faces=2),
    }
    gallery = enrolled({name: [pictures[name]] for name in ("an", "bo", "blurred")}, faces)
    assert len(gallery) == 2
    groups = [
        (who, (pictures[shown],) * 3)
        for who, shown in (
            ("an", "an"),
            ("bo", "like an"),
            ("an", "blurred"),
            ("an", "crowd"),
            ("nobody", "stranger"),
            ("nobody", "an"),
        )
    ]
    strict = identify(groups, faces, gallery, OneToMany(), second_counts=True)
    assert (strict.holders, strict.right, strict.wrong) == (4, 1, 1)
    assert strict.refused == {FaceReason.NO_FACE: 1, FaceReason.SECOND_FACE: 1}
    assert (strict.strangers, strict.strangers_passed) == (2, 1)
    nearest = identify(groups, faces, gallery, OneToMany(), second_counts=False)
    assert (nearest.right, nearest.refused) == (2, {FaceReason.NO_FACE: 1})
    assert nearest.figures("x")["x_right_share"] == 0.5


def test_two_pictures_compared(tmp_path: Path) -> None:
    one, again, other = (save(tmp_path, name, f"{name}.jpg") for name in ("one_1", "one_2", "two"))
    same = run("face", "compare", str(one), str(again))
    assert same.exit_code == 0, same.output
    assert "verdict: pass (face_match)" in same.output
    assert "a hint only, decides nothing" in same.output
    different = run("face", "compare", str(one), str(other))
    assert different.exit_code == 1
    assert "face_of_another" in different.output


def test_a_list_of_pairs_is_judged(tmp_path: Path) -> None:
    for name in ("one_1", "one_2", "two", "three"):
        save(tmp_path, name, f"{name}.jpg")
    (tmp_path / "spoilt.jpg").write_bytes(b"no picture")
    listed = tmp_path / "pairs.csv"
    listed.write_text("one_1.jpg,one_2.jpg,1\none_1.jpg,two.jpg,0\ntwo.jpg,three.jpg,0\none_2.jpg,spoilt.jpg,1\n", "utf-8")
    told = tmp_path / "out.json"
    done = run("face", "pairs", str(listed), "--threads", "1", "--json", str(told))
    assert done.exit_code == 0, done.output
    figures = msgspec.json.decode(told.read_bytes(), type=Measured).figures
    assert (figures["pairs"], figures["pictures"], figures["pictures_unreadable"]) == (4, 5, 1)
    assert figures["accuracy_at_pass"] == 0.75  # a picture that cannot be read is nobody
    assert figures["false_accepts_at_pass"] == 0.0


def test_people_are_identified(tmp_path: Path) -> None:
    gallery, probes = tmp_path / "gallery", tmp_path / "probes"
    save(gallery / "one", "one_1", "1.jpg")
    save(gallery / "two", "two", "1.jpg")
    for number, name in enumerate(("one_2", "one_3", "one_4")):
        save(probes / "one", name, f"{number}.jpg")
        save(probes / "stranger", "three", f"{number}.jpg")
    told = tmp_path / "out.json"
    done = run("face", "identify", "--gallery", str(gallery), "--probes", str(probes), "--threads", "1", "--json", str(told))
    assert done.exit_code == 0, done.output
    figures = msgspec.json.decode(told.read_bytes(), type=Measured).figures
    assert (figures["gallery_people"], figures["probes_of_holders"], figures["probes_of_strangers"]) == (2, 1, 1)
    assert (figures["nearest_face_right_share"], figures["nearest_face_strangers_passed"]) == (1.0, 0.0)


def test_pictures_that_are_nowhere_are_told(tmp_path: Path) -> None:
    listed = tmp_path / "pairs.csv"
    listed.write_text("a.jpg,b.jpg,1\na.jpg,c.jpg,0\n", "utf-8")
    done = run("face", "pairs", str(listed), "--threads", "1")
    assert done.exit_code == 2
    assert "none of the 3 pictures can be read" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("face", "compare", "/nowhere.jpg", "/nowhere.jpg"),
        ("face", "pairs", "/nowhere.txt"),
        ("face", "identify", "--gallery", "/nowhere", "--probes", "/nowhere"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("snowgate: ")
    assert len(done.stderr.strip().splitlines()) == 1
