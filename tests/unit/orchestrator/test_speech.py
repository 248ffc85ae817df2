"""The site's phrases: which are made, clip packs before the opening, and what an engineer can listen to."""

import asyncio
import wave
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from devices.speech_store import SpeechStore
from orchestrator.cli import app
from orchestrator.speech import SpeechMaking, check_voices_and_lamps, languages_of, voice_problem
from resort.access.spoken import SPOKEN
from resort.errors import Invalid, InvalidConfig, NotFound, Unavailable
from resort.site import LampSite, Site, SpeakerSite

PATIENCE_S = 60.0


def with_speakers(site: Site, *speakers: SpeakerSite) -> Site:
    """The site with these at the first lanes of its first gate."""
    gate = site.gates[0]
    lanes = [msgspec.structs.replace(lane, speaker=speaker) for lane, speaker in zip(gate.lanes, speakers, strict=False)]
    changed = msgspec.structs.replace(gate, lanes=[*lanes, *gate.lanes[len(lanes) :]])
    return msgspec.structs.replace(site, gates=[changed, *site.gates[1:]])


async def made(site: Site, folder: Path) -> list[str]:
    """What is told while the phrases are made."""
    told: asyncio.Queue[str] = asyncio.Queue()
    making = SpeechMaking(site, folder, told.put_nowait)
    making.start()
    async with asyncio.timeout(PATIENCE_S):
        said = [await told.get()]
    await making.stop()
    while not told.empty():
        said.append(told.get_nowait())
    return said


def test_only_languages_that_some_speaker_speaks_are_made(demo_site: Site) -> None:
    assert languages_of(with_speakers(demo_site, SpeakerSite(None, ("cmn", "en")))) == ()
    both = with_speakers(demo_site, SpeakerSite("alsa://a", ("en", "cmn")), SpeakerSite("alsa://b", ("cmn",)))
    assert languages_of(both) == ("cmn", "en")


async def test_phrases_are_made_once(demo_site: Site, tmp_path: Path) -> None:
    site = with_speakers(demo_site, SpeakerSite("alsa://default", ("yue",)))
    (first,) = await made(site, tmp_path)
    (second,) = await made(site, tmp_path)
    assert first.startswith(f"lanes speak: {len(SPOKEN)} phrases, ")
    assert second == f"lanes speak: {len(SPOKEN)} phrases, 0 of them made now"
    assert SpeechStore(tmp_path).load("admitted", "yue") is not None


async def test_a_folder_that_takes_nothing_is_told_and_stops_no_opening(demo_site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    site = with_speakers(demo_site, SpeakerSite("alsa://default"))
    (said,) = await made(site, tmp_path / "file" / "phrases")
    assert said.startswith("lanes do not speak: ")


async def test_without_a_speaker_nothing_is_made(demo_site: Site, tmp_path: Path) -> None:
    making = SpeechMaking(demo_site, tmp_path / "phrases", print)
    making.start()
    await making.stop()
    assert not (tmp_path / "phrases").exists()


async def test_closing_in_the_middle_leaves_nothing_behind(demo_site: Site, tmp_path: Path) -> None:
    making = SpeechMaking(with_speakers(demo_site, SpeakerSite("alsa://default", ("cmn", "yue", "en"))), tmp_path, print)
    making.start()
    await asyncio.sleep(0)
    await making.stop()


def test_a_clip_pack_is_read_before_the_site_opens(demo_site: Site, tmp_path: Path) -> None:
    check_voices_and_lamps(demo_site)
    with pytest.raises(InvalidConfig, match=r"manifest\.yaml cannot be read"):
        check_voices_and_lamps(with_speakers(demo_site, SpeakerSite(None, clips=str(tmp_path))))


async def test_the_doctor_has_every_language_spoken(demo_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = SpeakerSite("file:///nowhere", ("cmn", "yue", "en"))
    assert await voice_problem(demo_site) is None
    assert await voice_problem(with_speakers(demo_site, quiet)) is None
    monkeypatch.setenv("PATH", "/nowhere")
    problem = await voice_problem(with_speakers(demo_site, quiet, SpeakerSite("alsa://default")))
    assert problem == "lane village-2: aplay is not installed - install alsa-utils"


def test_a_lamp_that_cannot_be_called_is_told_before_the_site_opens(demo_site: Site) -> None:
    gate = demo_site.gates[0]
    lanes = [msgspec.structs.replace(gate.lanes[0], lamp=LampSite("gpio://4", 1, 0, 1, 2)), *gate.lanes[1:]]
    site = msgspec.structs.replace(demo_site, gates=[msgspec.structs.replace(gate, lanes=lanes)])
    with pytest.raises(InvalidConfig, match=r"lane village-1, lamp\.bus: gpio://4 is not an address"):
        check_voices_and_lamps(site)


def test_an_engineer_hears_what_a_lane_would_say(tmp_path: Path) -> None:
    out = tmp_path / "used.wav"
    told = CliRunner().invoke(app, ["device", "say", "already_used", "--lang", "yue", "--out", str(out)])
    assert told.exit_code == 0
    assert "呢张飞已经用咗" in told.output
    with wave.open(str(out)) as file:
        assert file.getnframes() > file.getframerate() / 2


def test_an_engineer_hears_the_recording_where_there_is_one(tmp_path: Path) -> None:
    own, out = tmp_path / "own.wav", tmp_path / "out.wav"
    CliRunner().invoke(app, ["device", "say", "blocked", "--out", str(own)])
    (tmp_path / "manifest.yaml").write_text("clips: [{language: cmn, cue: admitted, file: own.wav}]")
    told = CliRunner().invoke(app, ["device", "say", "admitted", "--clips", str(tmp_path), "--out", str(out)])
    assert "recorded" in told.output
    assert out.read_bytes() == own.read_bytes()


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (["nonsense", "--out", "x.wav"], NotFound),
        (["admitted", "--lang", "de", "--out", "x.wav"], Invalid),
        (["admitted", "--out", "/nowhere/x.wav"], Unavailable),
        (["admitted", "--clips", "/nowhere", "--out", "x.wav"], InvalidConfig),
    ],
)
def test_a_wrong_request_is_one_sentence(asked: list[str], error: type[Exception]) -> None:
    told = CliRunner().invoke(app, ["device", "say", *asked])
    assert isinstance(told.exception, error)
    assert "\n" not in str(told.exception)
