"""The folder of spoken phrases: made once, whole or not at all, the same everywhere."""

from pathlib import Path

import pytest

from devices.speech_maker import SpeechMaker
from devices.speech_store import Made, SpeechStore
from devices.speech_wave import check_wave
from resort.access.spoken import SPOKEN, spoken
from resort.errors import Unavailable

PHRASES = len({spoken(cue, "cmn") for cue in SPOKEN})  # some reasons say the same


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_phrases_are_made_once_and_are_the_same_in_every_folder(tmp_path: Path) -> None:
    store, maker = SpeechStore(tmp_path / "a"), SpeechMaker()
    assert store.load("admitted", "cmn") is None
    made = await store.make(["cmn"], maker)
    assert made == Made(PHRASES, len(SPOKEN) - PHRASES)
    await maker.close()
    wav = store.load("admitted", "cmn")
    assert wav is not None
    assert check_wave(wav) > 0.4
    first = contents(tmp_path / "a")
    assert len(first) == PHRASES  # nothing else is left behind

    idle = SpeechMaker()
    assert await store.make(["cmn"], idle) == Made(0, len(SPOKEN))
    assert idle.process_id is None  # no program was even started

    other = SpeechMaker()
    await SpeechStore(tmp_path / "b").make(["cmn"], other)
    await other.close()
    assert contents(tmp_path / "b") == first


async def test_a_broken_file_is_no_phrase_and_is_made_anew(tmp_path: Path) -> None:
    store, maker = SpeechStore(tmp_path), SpeechMaker()
    await store.make(["en"], maker)
    path = store.path("admitted", "en")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert store.load("admitted", "en") is None
    assert (await store.make(["en"], maker)).made == 1
    assert path.read_bytes() == whole
    await maker.close()


async def test_a_phrase_that_cannot_be_spoken_costs_only_itself(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        'import json, sys\nprint(\'{"version": "0"}\', flush=True)\n'
        "for line in sys.stdin:\n"
        "    if json.loads(line)['text'] == '请通行':\n"
        '        print(\'{"error": "no such syllable"}\', flush=True)\n'
        "    else:\n"
        '        print(\'{"rate": 22050, "bytes": 2}\', flush=True)\n'
        "        sys.stdout.buffer.write(b'ab'); sys.stdout.flush()\n"
    )
    maker = SpeechMaker(program)
    made = await SpeechStore(tmp_path / "phrases").make(["cmn"], maker)
    await maker.close()
    assert made.made == PHRASES - 1
    assert len(made.failed) == 1
    assert made.failed[0].startswith("admitted in cmn: ")
    assert "no such syllable" in made.failed[0]


async def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    maker = SpeechMaker()
    with pytest.raises(Unavailable, match="takes no file"):
        await SpeechStore(tmp_path / "file" / "phrases").make(["en"], maker)
    await maker.close()
