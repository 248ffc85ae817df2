"""The watch in the running resort: score and rules, each alone, and drift."""

from orchestrator.scan_watch import LEAST_LOOKS, ScanWatch
from resort.access.reasons import Reason
from resort.clock import Moment
from resort.ids import TicketId
from resort.site import AbnormalSite
from sim.scan_days import FIRST, ScanDay

TICKET = TicketId("00112233445566ff")


def kinds(watch: ScanWatch, day: ScanDay) -> list[str]:
    now = Moment(FIRST, 0)
    for event, at in day.played():
        watch.take(event, at)
        now = at
    return [cause.kind for cause in watch.holding(now)]


def guessing() -> ScanDay:
    day = ScanDay(1)
    for number in range(20):
        day.refuse(10.0 * number, (0, 0), Reason.FORGED_CODE, None, mark=f"m{number}")
    return day


def test_rules_and_score_each_tell_it_alone() -> None:
    for settings in (AbnormalSite(), AbnormalSite(score=False), AbnormalSite(rules=False)):
        assert kinds(ScanWatch(settings), guessing()) == ["abnormal_codes"]
    assert kinds(ScanWatch(AbnormalSite(rules=False, score=False)), guessing()) == []


def test_switched_off_opens_no_model_and_tells_no_drift() -> None:
    watch = ScanWatch(AbnormalSite(score=False))
    kinds(watch, guessing())
    assert not watch.scored
    assert watch.drift is None


def test_drift_is_told_when_what_is_odd_was_never_seen() -> None:
    day = ScanDay(1)
    for number in range(3 * LEAST_LOOKS):
        day.refuse(2.0 * number, (number % 5, number % 6), Reason.BLOCKED, TICKET, off=900)
    watch = ScanWatch(AbnormalSite())
    assert "scan_drift" in kinds(watch, day)
    assert watch.drift is not None
    assert watch.drift > 1
