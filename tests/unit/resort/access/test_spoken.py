"""Spoken phrases: there is one for every reason, in every language, and each can be spoken as it stands."""

import re

import pytest

from resort.access.reasons import Reason
from resort.access.spoken import SPOKEN, SPOKEN_LANGUAGES, USE_FAST_LANE, spoken

HAN = re.compile(r"[\u4e00-\u9fff]")


def test_every_reason_can_be_said_and_nothing_else_but_the_fast_lane() -> None:
    assert set(SPOKEN) == {reason.value for reason in Reason} | {USE_FAST_LANE}


@pytest.mark.parametrize("cue", SPOKEN)
def test_each_phrase_is_short_and_in_its_own_language(cue: str) -> None:
    phrases = {language: spoken(cue, language) for language in SPOKEN_LANGUAGES}
    assert HAN.search(phrases["cmn"])
    assert HAN.search(phrases["yue"])
    assert not HAN.search(phrases["en"])
    assert max(len(phrases["cmn"]), len(phrases["yue"])) <= 12
    assert len(phrases["en"].split()) <= 6
    for phrase in phrases.values():
        assert not re.search(r"[0-9()<>&\[\]/]", phrase)
        assert phrase == phrase.strip()


def test_the_words_of_the_house() -> None:
    assert spoken("admitted", "cmn") == "请通行"
    assert spoken("already_used", "cmn") == "此票已使用"
    assert spoken(USE_FAST_LANE, "cmn") == "请走快速通道"
    assert spoken("already_used", "yue") == "呢张飞已经用咗"
