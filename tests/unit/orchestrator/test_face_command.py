"""`snowgate face …` on a data folder, with real models: enrolled, shown, sealed anew, deleted; mistakes are one sentence."""

import stat
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli import app
from resort.face_consent import WORDING
from storage.key_file import key_standings
from tests.unit.sales.face_counter import jpeg

DEMO = Path(__file__).parents[3] / "config" / "demo.yaml"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The demo resort, with faces."""
    text = DEMO.read_text(encoding="utf-8")
    file = tmp_path / "site.yaml"
    file.write_text(text if "\nfaces:" in text else f"{text}\nfaces: {{}}\n", encoding="utf-8")
    return file


def run(data: Path, site: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--site", str(site), "--data", str(data)])


def card(data: Path, site: Path) -> str:
    """A ticket of somebody on the staff: it needs no sale."""
    done = run(data, site, "ticket", "staff-card", "Wang Fang", "--until", "2099-01-01")
    assert done.exit_code == 0, done.output
    return next(word for word in done.output.replace(".", " ").split() if len(word) == 16 and int(word, 16) >= 0)


def test_from_enrolment_to_deletion(data: Path, site: Path, tmp_path: Path) -> None:
    picture = tmp_path / "one.jpg"
    picture.write_bytes(jpeg("one_1"))
    ticket = card(data, site)
    said = run(data, site, "face", "wording")
    assert WORDING.version in said.output
    consent = ("--wording", WORDING.version, "--given-by", "holder", "--age", "14_or_over")
    done = run(data, site, "face", "enrol", ticket, str(picture), *consent)
    assert done.exit_code == 0, done.output
    assert "a face is enrolled" in done.output
    keys = data / "face_keys.json"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    done = run(data, site, "face", "keys", "rotate")
    assert "1 faces were sealed anew" in done.output
    assert [(key.key_id, key.current) for key in key_standings(keys)] == [(2, True)]
    assert "a face is enrolled" in run(data, site, "face", "show", ticket).output
    done = run(data, site, "face", "forget", ticket)
    assert "no face is enrolled" in done.output
    assert "withdrawn" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("face", "show", "nobody"),
        ("face", "enrol", "nobody", "/nowhere.jpg", "--wording", "x", "--given-by", "holder", "--age", "14_or_over"),
        ("face", "enrol", "nobody", str(DEMO), "--wording", "x", "--given-by", "aunt", "--age", "14_or_over"),
        ("face", "enrol", "nobody", str(DEMO), "--wording", "x", "--given-by", "holder", "--age", "14_or_over"),
    ],
)
def test_mistakes_are_one_sentence(data: Path, site: Path, arguments: tuple[str, ...]) -> None:
    done = run(data, site, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("snowgate: ")
    assert len(done.stderr.strip().splitlines()) == 1
