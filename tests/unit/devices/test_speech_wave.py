"""WAV files: what is taken, and how loud."""

import io
import struct
import wave

import pytest

from devices.speech_wave import at_gain, check_wave, wave_file
from resort.errors import Invalid

SAMPLES = struct.pack("<4h", 0, 100, -20_000, 32_767)


def made(channels: int = 1, width: int = 2, rate: int = 16_000, frames: int = 800) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(channels * width * frames))
    return content.getvalue()


def heard(content: bytes) -> tuple[int, ...]:
    with wave.open(io.BytesIO(content)) as file:
        return struct.unpack(f"<{file.getnframes()}h", file.readframes(file.getnframes()))


def test_a_file_holds_its_samples() -> None:
    content = wave_file(SAMPLES, 22_050)
    assert heard(content) == (0, 100, -20_000, 32_767)
    assert check_wave(content) == pytest.approx(4 / 22_050)


def test_stereo_at_a_cards_own_rate_is_taken() -> None:
    assert check_wave(made(channels=2, rate=48_000, frames=4_800)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no WAV file"),
        (b"ID3\x04 an mp3 file", "no WAV file"),
        (made()[:30], "no WAV file"),
        (made()[:-2], "not all there"),
        (made(frames=0), "not all there"),
        (made(width=1), "16 bits"),
        (made(channels=6), "mono or stereo"),
        (made(rate=96_000), "8000 to 48000"),
        (made(rate=8_000, frames=90_000), "plays 11.2 s"),
    ],
)
def test_what_is_no_clip_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        check_wave(content)


def test_every_cut_of_a_file_is_refused_and_none_crashes() -> None:
    whole = wave_file(SAMPLES, 22_050)
    for length in range(len(whole)):
        with pytest.raises(Invalid):
            check_wave(whole[:length])


@pytest.mark.parametrize(
    ("gain", "expected"),
    [(1, (0, 100, -20_000, 32_767)), (0.5, (0, 50, -10_000, 16_384)), (2, (0, 200, -32_768, 32_767)), (0, (0, 0, 0, 0))],
)
def test_gain_scales_and_cuts_off_what_is_too_loud(gain: float, expected: tuple[int, ...]) -> None:
    assert heard(at_gain(wave_file(SAMPLES, 22_050), gain)) == expected
