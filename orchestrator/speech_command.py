"""`snowgate device say`: what a lane would say for a result, as a WAV file, for engineers who record or tune clips."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from devices.speech_clips import load_clips
from devices.speech_maker import SpeechMaker
from devices.speech_wave import check_wave
from orchestrator.run import say
from resort.access.spoken import SPOKEN, SPOKEN_LANGUAGES, SpokenLanguage, spoken
from resort.errors import Invalid, NotFound, Unavailable


def device_say(
    cue: Annotated[str, typer.Argument(metavar="REASON", help="A reason code, or use_fast_lane.")],
    out: Annotated[Path, typer.Option("--out", help="The WAV file to write.")],
    language: Annotated[str, typer.Option("--lang", help="cmn (Mandarin), yue (Cantonese) or en.")] = "cmn",
    clips: Annotated[str, typer.Option("--clips", help="A clip pack whose recording wins.")] = "",
) -> None:
    """Write what a lane says for REASON as a WAV file."""
    if cue not in SPOKEN:
        raise NotFound("reason", f"{cue} (there are: {', '.join(SPOKEN)})")
    known: dict[str, SpokenLanguage] = {code: code for code in SPOKEN_LANGUAGES}
    if language not in known:
        raise Invalid("--lang", f"{language} is not one of {', '.join(SPOKEN_LANGUAGES)}")
    recorded = load_clips(clips).find(cue, known[language])
    wav = recorded or asyncio.run(_synthesised(cue, known[language]))
    try:
        out.write_bytes(wav)
    except OSError as error:
        raise Unavailable(f"The file {out}", error.strerror or "it cannot be written") from None
    whence = "recorded" if recorded else f"“{spoken(cue, known[language])}”"
    say(f"{out}: {whence}, {check_wave(wav):.2f} s")


async def _synthesised(cue: str, language: SpokenLanguage) -> bytes:
    maker = SpeechMaker()
    try:
        return await maker.say(language, spoken(cue, language))
    finally:
        await maker.close()
