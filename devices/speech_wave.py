"""WAV files of 16-bit samples: made, checked, and played more loudly or softly. Knows no speech and no sound device."""

import io
import wave
from pathlib import Path

import numpy as np

from resort.errors import Invalid

SAMPLE_BYTES = 2
RATES = range(8_000, 48_001)  # samples a second
LONGEST_S = 10.0  # of one phrase: a guest does not wait longer, and neither does the next


def wave_file(samples: bytes, rate: int) -> bytes:
    """A WAV file of mono samples (signed 16-bit little-endian), `rate` a second."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(rate)
        file.writeframes(samples)
    return made.getvalue()


def check_wave(content: bytes) -> float:
    """The seconds that a WAV file plays. Raises Invalid unless it is whole, of 16 bits, mono or stereo, and short enough."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            frames, rate, channels, width = file.getnframes(), file.getframerate(), file.getnchannels(), file.getsampwidth()
            there = len(file.readframes(frames))
    except (wave.Error, EOFError) as error:
        raise Invalid("clip", f"it is no WAV file of plain samples ({str(error) or 'it ends too early'})") from None
    if width != SAMPLE_BYTES or channels not in (1, 2) or rate not in RATES:
        raise Invalid("clip", "a clip is mono or stereo, of 16 bits, with 8000 to 48000 samples a second")
    if frames == 0 or there != frames * channels * width:
        raise Invalid("clip", "its samples are not all there")
    if frames / rate > LONGEST_S:
        raise Invalid("clip", f"it plays {frames / rate:.1f} s, and a phrase may take {LONGEST_S:g} s")
    seconds: float = frames / rate
    return seconds


def at_gain(content: bytes, gain: float) -> bytes:
    """The same WAV file with every sample times `gain` (1: as it is, 0: silence); what would be too loud is cut off."""
    if gain == 1:
        return content
    with wave.open(io.BytesIO(content)) as file:
        shape, samples = file.getparams(), np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    scaled = np.clip(np.rint(samples * np.float32(gain)), -32_768, 32_767).astype("<i2")
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams(shape)
        file.writeframes(scaled.tobytes())
    return made.getvalue()


def read_wave(path: Path) -> bytes | None:
    """The WAV file at `path`, or None when there is no such file or it is not whole."""
    try:
        content = path.read_bytes()
        check_wave(content)
    except (OSError, Invalid):
        return None
    return content
