"""The site's spoken phrases: its clip packs checked before it opens, and what is missing made in the background while it does.

Lanes read the files (`devices/speech_phrases.py`). A phrase that is not there yet is not heard; admission waits for nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from devices.lamp_relay import check_lamp
from devices.speaker import speaker_problem
from devices.speech_clips import load_clips
from devices.speech_maker import SpeechMaker, recipe
from devices.speech_store import SpeechStore
from resort.access.reasons import Reason
from resort.access.spoken import SPOKEN_LANGUAGES, SpokenLanguage, spoken
from resort.errors import Unavailable
from resort.site import Site

Told = Callable[[str], None]


def languages_of(site: Site) -> tuple[SpokenLanguage, ...]:
    """What the site's speakers speak, in the languages' own order; none without a speaker."""
    wanted = {language for _, lane in site.lanes() if lane.speaker.address is not None for language in lane.speaker.languages}
    return tuple(language for language in SPOKEN_LANGUAGES if language in wanted)


def check_voices_and_lamps(site: Site) -> None:
    """Read every clip pack of the site, and every lamp's address. Raises InvalidConfig naming the first thing that is wrong."""
    for _, lane in site.lanes():
        if lane.lamp is not None:
            check_lamp(f"lane {lane.id}", lane.lamp)
    for folder in sorted({lane.speaker.clips for _, lane in site.lanes()}):
        load_clips(folder)


async def voice_problem(site: Site) -> str | None:
    """Why the site's speakers will not be heard, and what to do; None: one phrase of each language was spoken just now. A clip
    pack that cannot be used is `check_voices_and_lamps`' business."""
    for _, lane in site.lanes():
        problem = speaker_problem(lane.speaker.address)
        if problem is not None:
            return f"lane {lane.id}: {problem}"
    maker = SpeechMaker()
    try:
        for language in languages_of(site):
            await maker.say(language, spoken(Reason.ADMITTED.value, language))
    except Unavailable as error:
        return f"{error} Recorded clips are heard all the same."
    finally:
        await maker.close()
    return None


class SpeechMaking:
    """Makes what the site's speakers lack, once; `start`, then `stop`."""

    def __init__(self, site: Site, folder: Path, told: Told) -> None:
        self._languages = languages_of(site)
        self._store = SpeechStore(folder)
        self._told = told
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background; without a speaker nothing is done."""
        if self._languages:
            self._task = asyncio.create_task(self._make(), name="spoken phrases")

    async def stop(self) -> None:
        """Leave off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _make(self) -> None:
        maker = SpeechMaker()
        try:
            recipe()
            made = await self._store.make(self._languages, maker)
        except Unavailable as error:
            self._told(f"lanes do not speak: {error}")
            return
        finally:
            with contextlib.suppress(OSError):
                await maker.close()
        for failed in made.failed:
            self._told(f"a phrase is not spoken: {failed}")
        self._told(f"lanes speak: {made.made + made.kept} phrases, {made.made} of them made now")
