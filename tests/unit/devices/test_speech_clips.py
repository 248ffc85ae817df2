"""Clip packs: a site's own recordings win, and a pack that is not whole is refused in one sentence."""

import hashlib
import struct
from pathlib import Path

import pytest

from devices.speech_clips import load_clips
from devices.speech_phrases import lane_phrases
from devices.speech_store import SpeechStore
from devices.speech_wave import wave_file
from resort.errors import InvalidConfig
from resort.site import SpeakerSite

OWN = wave_file(struct.pack("<2000h", *([1_000, -1_000] * 1_000)), 16_000)
SYNTHESISED = wave_file(struct.pack("<2000h", *([500, -500] * 1_000)), 22_050)
DIGEST = hashlib.sha256(OWN).hexdigest()


def pack(folder: Path, entry: str, content: bytes = OWN) -> str:
    (folder / "own.wav").write_bytes(content)
    (folder / "manifest.yaml").write_text(f"name: 东北话\nclips:\n  - {entry}\n", encoding="utf-8")
    return str(folder)


def test_a_recording_takes_the_place_of_the_phrase(tmp_path: Path) -> None:
    clips = load_clips(pack(tmp_path, f"{{language: cmn, cue: admitted, file: own.wav, sha256: {DIGEST.upper()}}}"))
    assert clips.find("admitted", "cmn") == OWN
    assert clips.find("admitted", "yue") is None
    assert clips.find("already_used", "cmn") is None
    assert len(clips) == 1


def test_its_gain_is_applied_once(tmp_path: Path) -> None:
    clips = load_clips(pack(tmp_path, "{language: cmn, cue: admitted, file: own.wav, gain_db: -6.0206}"))
    assert clips.find("admitted", "cmn") == wave_file(struct.pack("<2000h", *([500, -500] * 1_000)), 16_000)


def test_no_folder_is_an_empty_pack() -> None:
    assert len(load_clips("")) == 0


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{language: cmn, cue: welcome, file: own.wav}", "welcome is no cue"),
        ("{language: deu, cue: admitted, file: own.wav}", "manifest.yaml: Invalid enum value 'deu'"),
        ("{language: cmn, cue: admitted}", "missing required field `file`"),
        ("{language: cmn, cue: admitted, file: own.wav, loud: 3}", "unknown field `loud`"),
        ("{language: cmn, cue: admitted, file: other.wav}", "other.wav cannot be read (No such file or directory)"),
        ("{language: cmn, cue: admitted, file: ../own.wav}", "'../own.wav' is no plain file name"),
        ("{language: cmn, cue: admitted, file: /etc/passwd}", "'/etc/passwd' is no plain file name"),
        ("{language: cmn, cue: admitted, file: manifest.yaml}", "manifest.yaml: it is no WAV file"),
        ("{language: cmn, cue: admitted, file: own.wav, sha256: abcd}", "own.wav is not the file whose sha256"),
        ("{language: cmn, cue: admitted, file: own.wav, gain_db: 40}", "not within 24 dB"),
        ("{language: cmn, cue: admitted, file: own.wav, gain_db: .nan}", "not within 24 dB"),
        (
            "{language: cmn, cue: admitted, file: own.wav}\n  - {language: cmn, cue: admitted, file: own.wav}",
            "admitted in cmn is there twice",
        ),
        ("{language: cmn, cue: [", "manifest.yaml is not YAML"),
    ],
)
def test_a_pack_that_cannot_be_used_is_one_sentence(tmp_path: Path, entry: str, says: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_clips(pack(tmp_path, entry))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"clip pack {tmp_path}: ")


def test_a_folder_without_a_manifest_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"manifest\.yaml cannot be read"):
        load_clips(str(tmp_path / "nowhere"))


def test_a_lane_says_a_result_in_its_languages_in_order(tmp_path: Path) -> None:
    clips, phrases = tmp_path / "clips", tmp_path / "phrases"
    clips.mkdir()
    phrases.mkdir()
    store = SpeechStore(phrases)
    for language in ("cmn", "en"):
        store.path("admitted", language).write_bytes(SYNTHESISED)
    site = SpeakerSite("alsa://default", ("en", "cmn", "yue"), pack(clips, "{language: cmn, cue: admitted, file: own.wav}"))
    lane = lane_phrases(site, phrases)
    said = lane.clips("admitted")
    # Cantonese was not made yet: it is left out.
    assert [(clip.name, clip.wav) for clip in said] == [("admitted.en", SYNTHESISED), ("admitted.cmn", OWN)]
    assert lane.clips("already_used") == []
