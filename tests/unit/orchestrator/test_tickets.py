"""`snowgate ticket …` on a data folder: explanations from SQL alone, and orders that wait for the lanes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli import app
from resort.access.codes import CodeReading, issue_code, read_code, step_at
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.messages import GrantIssued, GrantOutcomeUnknown, JournalEvent, PassageConfirmed
from sales.office import Payment
from sim.ticket_shop import MORNING, TODAY, open_shop
from storage.journal_sql import JournalStore
from storage.key_file import ensure_keys, load_keys

NOON = "2026-12-01T12:00"
HEAD = {"caused_by": "test", "gate_id": GateId("village"), "lane_id": LaneId("village-1")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def run(data: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(data)], input=stdin)


def sell(data: Path) -> TicketId:
    async def sold() -> TicketId:
        async with open_shop(f"sqlite:///{data}/snowgate.db") as shop:
            quote = await shop.quoted()
            order = await shop.office.place_order(quote.quote_id, "shop", "k")
            order = await shop.office.pay(order.order_id, Payment("cash", order.total), "shop", "k")
            return order.tickets[0].ticket_id

    return asyncio.run(sold())


def journal(data: Path, *events: JournalEvent) -> None:
    async def stored() -> None:
        async with open_shop(f"sqlite:///{data}/snowgate.db") as shop:
            await JournalStore(shop.db).store([(f"{number + 1}-0", event) for number, event in enumerate(events)])

    asyncio.run(stored())


def granted(ticket: TicketId, at: datetime, outcome: type[PassageConfirmed] | type[GrantOutcomeUnknown]) -> list[JournalEvent]:
    more: dict[str, Any] = {"counter_in": 1} if outcome is PassageConfirmed else {"detail": "killed"}
    issued = GrantIssued(
        event_id=EventId("grant_1"),
        at=at,
        **HEAD,  # type: ignore[arg-type]
        ticket_id=ticket,
        scan_id=ScanId("s"),
        product="day",
        unit="adult",
        counter_in=0,
        day=TODAY,
    )
    ended = outcome(event_id=EventId("out_1"), at=at, **HEAD, grant_id=GrantId("grant_1"), ticket_id=ticket, **more)  # type: ignore[arg-type]
    return [issued, ended]


def code_of(data: Path, ticket: TicketId) -> str:
    return issue_code(ticket, ensure_keys(data / "site_keys.json"))


def explained(data: Path, code: str, at: str = NOON, *more: str) -> dict[str, Any]:
    file = data.parent / "explained.json"
    result = run(data, "ticket", "explain", code, "--gate", "village", "--at", at, "--json", str(file), *more)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(file.read_text())
    assert found["reason"] in result.output or found["admitted"]
    assert found["explanation"]["zh"] in result.output
    assert found["explanation"]["en"] in result.output
    for rule in found["rules"]:
        assert f" {rule['rule']} " in result.output
    return found


def test_a_good_ticket_is_admitted_and_every_rule_says_what_it_saw(data: Path) -> None:
    ticket = sell(data)
    found = explained(data, code_of(data, ticket))
    assert found["admitted"]
    assert (found["ticket_id"], found["gate_id"], found["lane_id"]) == (ticket, "village", "village-1")
    seen = {rule["rule"]: rule["inputs"] for rule in found["rules"]}
    assert seen["code"]["medium"] == "printed"
    assert seen["entries"]["used"] == 0
    assert seen["day"]["valid_on"] == "2026-12-01"


def test_use_is_folded_up_to_the_time_that_is_asked_for(data: Path) -> None:
    ticket = sell(data)
    journal(data, *granted(ticket, MORNING + timedelta(hours=1), PassageConfirmed))  # at 10:00 local
    assert explained(data, code_of(data, ticket), "2026-12-01T09:59")["admitted"]
    assert explained(data, code_of(data, ticket), "2026-12-01T10:00")["reason"] == "already_used"
    assert explained(data, code_of(data, ticket), "2026-12-01T01:59:00+00:00")["admitted"]


def test_status_is_that_of_the_time_that_is_asked_for(data: Path) -> None:
    ticket = sell(data)
    assert run(data, "ticket", "block", ticket, "--note", "lost").exit_code == 0
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()  # noqa: TID251 - the command reads the real clock

    def said(at: str) -> str | None:
        rules = {rule["rule"]: rule.get("reason") for rule in explained(data, code_of(data, ticket), at)["rules"]}
        return rules["status"]

    assert said(tomorrow) == "blocked"
    assert said("2020-01-01T12:00") is None


def test_the_fast_lane_and_the_stale_code(data: Path) -> None:
    ticket = sell(data)
    assert explained(data, code_of(data, ticket), NOON, "--lane", "village-fast")["reason"] == "wrong_lane"
    noon = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
    phone = issue_code(ticket, load_keys(data / "site_keys.json"), step_at(noon))
    assert explained(data, phone)["admitted"]
    assert explained(data, phone, "2026-12-01T12:01")["reason"] == "stale_code"


def test_a_ticket_nobody_sold_is_explained_as_that(data: Path) -> None:
    sell(data)
    assert explained(data, code_of(data, TicketId("00" * 8)))["reason"] == "unknown_ticket"


@pytest.mark.parametrize(
    "wrong",
    [
        ("NO CODE", "village", NOON, ()),
        ("{forged}", "village", NOON, ()),
        ("{code}", "nowhere", NOON, ()),
        ("{code}", "village", "teatime", ()),
        ("{code}", "village", NOON, ("--lane", "north-1")),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_exit_code_2(data: Path, wrong: tuple[str, str, str, tuple[str, ...]]) -> None:
    code = code_of(data, sell(data))
    text, gate, at, more = wrong
    text = text.format(code=code, forged=code[:-3] + "000")
    result = run(data, "ticket", "explain", text, "--gate", gate, "--at", at, *more)
    assert result.exit_code == 2
    (sentence,) = result.output.splitlines()
    assert sentence.startswith("snowgate: ")
    assert sentence.endswith(".")
    assert code[:-3] not in sentence


def test_a_code_can_come_by_standard_input(data: Path) -> None:
    ticket = sell(data)
    result = run(data, "ticket", "show", "-", stdin=code_of(data, ticket) + "\n")
    assert result.exit_code == 0
    assert ticket in result.output


def test_orders_are_kept_while_the_site_is_closed(data: Path) -> None:
    ticket = sell(data)
    result = run(data, "ticket", "block", ticket, "--note", "lost by a child")
    assert "The ticket is blocked." in result.output
    assert "as soon as the site is open" in result.output
    shown = run(data, "ticket", "show", ticket).output
    assert "lost by a child" in shown
    assert "not told yet" in shown
    assert run(data, "ticket", "unblock", ticket, "--note", "found").exit_code == 0
    assert run(data, "ticket", "revoke", ticket, "--note", "conduct").exit_code == 0
    again = run(data, "ticket", "unblock", ticket, "--note", "sorry")
    assert again.exit_code == 1
    assert "revoked" in str(again.exception)
    for bad in ("no-such-ticket", "00" * 8):
        assert run(data, "ticket", "block", bad, "--note", "x").exit_code == 2
        assert run(data, "ticket", "show", bad).exit_code == 2
    assert run(data, "ticket", "block", ticket, "--note", "\n").exit_code == 2


def test_unknown_outcomes_are_listed_and_settled(data: Path) -> None:
    ticket = sell(data)
    assert "No grant" in run(data, "ticket", "settle", ticket).output
    journal(data, *granted(ticket, MORNING, GrantOutcomeUnknown))
    assert "grant_1" in run(data, "ticket", "settle", ticket).output
    assert run(data, "ticket", "settle", ticket, "--note", "camera: stayed outside").exit_code == 0
    assert "camera: stayed outside" in run(data, "ticket", "show", ticket).output


def test_a_staff_card_is_printed_and_reads_as_a_card(data: Path) -> None:
    until = datetime.now(UTC) + timedelta(days=30)  # noqa: TID251 - the command reads the real clock
    result = run(data, "ticket", "staff-card", "Wang Wei", "--until", f"{until:%Y-%m-%d}")
    assert result.exit_code == 0, result.output
    line, code = result.output.splitlines()
    reading = read_code(code, load_keys(data / "site_keys.json"), until)
    assert reading == CodeReading(TicketId(line.split()[0]), 0, 0, "card")
    assert run(data, "ticket", "staff-card", "Wang Wei", "--until", "2020-01-01").exit_code == 2
