"""Which clips say a result at one lane: its languages in order, the site's own recordings before synthesised phrases."""

from pathlib import Path

from devices.speech_clips import ClipPack, load_clips
from devices.speech_store import SpeechStore
from resort.ports import Clip
from resort.site import SpeakerSite


class LanePhrases:
    """The phrases of one lane."""

    def __init__(self, site: SpeakerSite, pack: ClipPack, store: SpeechStore) -> None:
        self._languages = site.languages
        self._pack = pack
        self._store = store

    def clips(self, cue: str) -> list[Clip]:
        """What to play for `cue`, in order. A phrase that was not made yet is left out. Reads files; raises PartMissing."""
        clips = []
        for language in self._languages:
            wav = self._pack.find(cue, language) or self._store.load(cue, language)
            if wav is not None:
                clips.append(Clip(f"{cue}.{language}", wav))
        return clips


def lane_phrases(site: SpeakerSite, folder: Path) -> LanePhrases:
    """The phrases of a lane with that speaker; `folder` is where the site's spoken phrases are. Reads the clip pack; raises
    InvalidConfig."""
    return LanePhrases(site, load_clips(site.clips), SpeechStore(folder))
