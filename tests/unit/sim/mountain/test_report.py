"""Figures and report of a virtual day: numbers that agree with each other, and a page that holds everything by itself."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from resort.errors import Unavailable
from sim.mountain.day_figures import bottleneck, day_figures, measured
from sim.mountain.report import report_page, write_report
from sim.mountain.report_pictures import busy_shares, clock, shade
from sim.mountain.resort_day import DayPlayed, ResortDay
from tests.unit.sim.mountain.small_resort import small


@pytest.fixture(scope="module")
def day() -> DayPlayed:
    stop = {"kind": "lift_stop", "lift": "chair", "at_min": 60, "minutes": 15}
    return ResortDay(small(incidents=[stop], cheats={"brute_force": 1, "tailgating": 2}), 1).play()


def test_figures_agree_with_what_was_counted(day: DayPlayed) -> None:
    figures = day_figures(day)
    assert figures["guests"] == figures["went_home"]
    assert figures["refused_forged_code"] == 12
    assert figures["entrance_wait_p50_s"] <= figures["entrance_wait_p95_s"] <= figures["entrance_wait_p99_s"]
    found = measured(day)
    assert all(
        isinstance(value, int | float) for group in (found.figures, found.limits, found.ratios) for value in group.values()
    )
    assert 0 < found.ratios["seats_filled"] <= 1
    assert found.limits["lift_seats_per_h"] == 2_400


def test_the_bottleneck_is_where_most_waited(day: DayPlayed) -> None:
    found = bottleneck(day)
    assert found.waited_h == max(sum(place.waits_s) for place in day.tally.places.values()) / 3_600
    assert found.place.name.zh in found.text.zh
    assert found.place.name.en in found.text.en


def test_the_page_needs_nothing_else_and_its_pictures_are_well_formed(day: DayPlayed, tmp_path: Path) -> None:
    page = report_page(day)
    assert not re.search(r"(src|href)=|https?://|<script", page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 5
    for picture in pictures:
        ElementTree.fromstring(picture)  # noqa: S314 - our own page
    for words in ("索道停运", "stands still", "无效的票码", "This code was not issued by the resort", "瓶颈", "Bottleneck"):
        assert words in page
    write_report(day, tmp_path / "deep" / "report.html")
    assert (tmp_path / "deep" / "report.html").read_text(encoding="utf-8") == page


def test_a_report_that_cannot_be_written_is_one_sentence(day: DayPlayed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Unavailable, match="cannot be written"):
        write_report(day, tmp_path / "file" / "report.html")


def test_small_parts_of_pictures() -> None:
    assert shade(0.0) == "#f6f8fa"
    assert shade(1.0) == "#0c2c5c"
    assert clock(3_660.0, 480) == "09:01"
    assert busy_shares([(0.0, 150.0), (290.0, 310.0)], 600.0) == pytest.approx([160 / 300, 10 / 300])
