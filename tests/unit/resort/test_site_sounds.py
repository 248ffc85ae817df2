"""Speakers, lamps and loudness in a site file: what is refused, and how loud it is when."""

from datetime import UTC, datetime, time

import msgspec
import pytest

from resort.errors import InvalidConfig
from resort.site import LampSite, LoudnessSite, Site, SpeakerSite
from resort.site_checks import check_site
from resort.site_sounds import percent_at

QUIET = LoudnessSite(time(21, 30), time(7), 30)
LOUD = LoudnessSite(time(9), time(16), 100)
BUSY = LoudnessSite(time(12), time(13), 80)
LAMP = LampSite("tcp://192.168.10.40:502", 1, 0, 1, 2)


def with_lane(site: Site, **changes: object) -> Site:
    """The site with its first lane changed."""
    gate = site.gates[0]
    lanes = [msgspec.structs.replace(gate.lanes[0], **changes), *gate.lanes[1:]]
    return msgspec.structs.replace(site, gates=[msgspec.structs.replace(gate, lanes=lanes), *site.gates[1:]])


@pytest.mark.parametrize(
    ("utc_hour", "minute", "percent"),
    [(13, 29, 100), (13, 30, 30), (22, 59, 30), (23, 0, 100), (1, 0, 90), (3, 59, 90), (4, 0, 80), (5, 0, 90)],
)
def test_loudness_is_by_the_sites_own_clock(demo_site: Site, utc_hour: int, minute: int, percent: int) -> None:
    loud = msgspec.structs.replace(LOUD, percent=90)
    site = msgspec.structs.replace(demo_site, loudness=[QUIET, BUSY, loud])  # Asia/Shanghai: UTC+8
    assert percent_at(site, datetime(2026, 12, 12, utc_hour, minute, tzinfo=UTC)) == percent


def test_without_a_word_of_it_speakers_are_as_loud_as_recorded(demo_site: Site) -> None:
    assert percent_at(msgspec.structs.replace(demo_site, loudness=[]), datetime(2026, 12, 12, tzinfo=UTC)) == 100


@pytest.mark.parametrize(
    ("speaker", "says"),
    [
        (SpeakerSite("alsa://"), "is not alsa://default"),
        (SpeakerSite("alsa://-x"), "is not alsa://default"),
        (SpeakerSite("alsa://default/2"), "is not alsa://default"),
        (SpeakerSite("file://played.log"), "is not alsa://default"),
        (SpeakerSite("pulse://default"), "is not alsa://default"),
        (SpeakerSite("default"), "is not alsa://default"),
        (SpeakerSite(None, languages=()), "one language at least"),
        (SpeakerSite(None, languages=("cmn", "cmn")), "none twice"),
        (SpeakerSite(None, clips="clips"), "full path"),
    ],
)
def test_a_bad_speaker_is_refused(demo_site: Site, speaker: SpeakerSite, says: str) -> None:
    with pytest.raises(InvalidConfig, match=says):
        check_site(with_lane(demo_site, speaker=speaker))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unit": 256}, "0 to 255"),
        ({"red": 1}, "three coils of their own"),
        ({"amber": 65_536}, "three coils of their own"),
        ({"bus": "tcp://10.0.0.1:502"}, "must not be on a turnstile's bus"),
    ],
)
def test_a_bad_lamp_is_refused(demo_site: Site, changes: dict[str, object], says: str) -> None:
    gate = demo_site.gates[0]
    turnstile = msgspec.structs.replace(gate.lanes[0].turnstile, bus="tcp://10.0.0.1:502")
    with pytest.raises(InvalidConfig, match=says):
        check_site(with_lane(demo_site, turnstile=turnstile, lamp=msgspec.structs.replace(LAMP, **changes)))


def test_a_bad_loudness_is_refused(demo_site: Site) -> None:
    with pytest.raises(InvalidConfig, match="0 to 100 percent"):
        check_site(msgspec.structs.replace(demo_site, loudness=[msgspec.structs.replace(LOUD, percent=101)]))


@pytest.mark.parametrize("address", [None, "alsa://default", "alsa://plughw:CARD=0,DEV=0", "file:///var/log/played.jsonl"])
def test_good_ones_are_taken(demo_site: Site, address: str | None) -> None:
    speaker = SpeakerSite(address, languages=("yue", "cmn", "en"), clips="/srv/clips")
    site = with_lane(demo_site, speaker=speaker, lamp=LAMP)
    assert check_site(msgspec.structs.replace(site, loudness=[QUIET, LOUD])) is not None
