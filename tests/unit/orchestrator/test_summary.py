"""The summary counts from events, and its duplicates can be more than zero."""

from typing import Any

import msgspec

from orchestrator.summary import count_duplicates, summarise
from resort.access.entitlement import Entitlement
from resort.face_rules import FaceDecision, FaceReason, FaceVerdict
from resort.messages import GrantIssued, PassageConfirmed
from resort.site import Site
from sim.day import DayPlan, run_day


def test_a_day_adds_up(demo_site: Site) -> None:
    day = run_day(demo_site, 3, DayPlan(guests=200))
    journal = day.journal
    figures = summarise(journal)
    refused = sum(value for name, value in figures.items() if name.startswith("refused_"))
    assert figures["scans"] == figures["grants"] + refused
    assert figures["grants"] == figures["passages"] + figures["released"] + figures["unknown"]
    assert figures["passages"] > 150
    assert len(day.sold) > 150
    assert count_duplicates(journal, day.sold) == 0


def test_a_repeated_event_and_a_second_passage_are_duplicates(demo_site: Site) -> None:
    journal = run_day(demo_site, 3, DayPlan(guests=20)).journal
    passage = next(event for event in journal if isinstance(event, PassageConfirmed))
    assert passage.ticket_id is not None
    once, twice = (Entitlement("single", "adult", passage.at.date(), entries, ("standard",)) for entries in (1, 2))
    assert count_duplicates([*journal, passage], {passage.ticket_id: once}) == 2  # the same id again, one passage too many
    assert count_duplicates([*journal, passage], {passage.ticket_id: twice}) == 1


def test_nothing_is_nothing() -> None:
    assert summarise([])["decision_p99_ms"] == 0


def test_what_faces_did_is_counted_apart(demo_site: Site) -> None:
    journal = run_day(demo_site, 3, DayPlan(guests=60)).journal
    assert not [name for name in summarise(journal) if name.startswith("face_")]
    compared = FaceDecision(verdict=FaceVerdict.PASS, reason=FaceReason.MATCH, score=0.7, threshold=0.43)
    grants = [event for event in journal if isinstance(event, GrantIssued)][:5]
    changes: list[dict[str, Any]] = [
        {"face": compared},
        {"face": compared},
        {"face": compared, "medium": "face"},
        {"face_away": True},
        {"face_by": "anna", "face": compared},
    ]
    figures = summarise([msgspec.structs.replace(grant, **change) for grant, change in zip(grants, changes, strict=True)])
    assert {name: count for name, count in figures.items() if name.startswith("face_")} == {
        "face_passes": 2,
        "face_alone": 1,
        "face_not_compared": 1,
        "face_confirmed_by_staff": 1,
    }
    assert figures["grants"] == 5
