"""Access log lines name routes, never what identifies people, orders or tickets."""

import logging

import aiohttp
import pytest

from tests.unit.web_console.fakes import TICKET, FakeResort
from web_console.window import address


class LogLines:
    """What was logged while a test ran."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def access(self) -> list[str]:
        return [record.getMessage() for record in self._caplog.records if record.name == "web_console.access"]

    def all(self) -> str:
        return "\n".join(record.getMessage() for record in self._caplog.records)

    def errors(self) -> list[logging.LogRecord]:
        return [record for record in self._caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> LogLines:
    caplog.set_level(logging.DEBUG)
    return LogLines(caplog)


async def test_access_lines_hold_templates(client: aiohttp.ClientSession, lines: LogLines) -> None:
    secret = "key-of-partner"
    async with client.get(f"/api/tickets/{TICKET}?token=hidden", headers={"Authorization": f"Bearer {secret}"}) as answer:
        assert "THE-SECRET-CODE" in await answer.text()
    async with client.get("/api/nowhere/1234?x=hidden") as answer:
        assert answer.status == 404
    async with client.post("/api/session", json={"name": "anna", "password": "right horse"}) as answer:
        token = answer.cookies["snowgate_session"].value
    first, second, third = (line.rsplit(" ", 2)[0] for line in lines.access())
    assert first == "GET /api/tickets/{ticket_id} 200"
    assert second == "GET (no route) 404"
    assert third == "POST /api/session 201"
    for hidden in (TICKET, "hidden", secret, "right horse", token, "THE-SECRET-CODE", "1234"):
        assert hidden not in lines.all()


async def test_an_incident_is_logged_once_with_its_number(
    client: aiohttp.ClientSession, lines: LogLines, resort: FakeResort
) -> None:
    resort.office.fails_with = RuntimeError("boom")
    quote = {"product": "single", "day": "2027-01-08", "units": {"adult": 1}}
    async with client.post("/api/quotes", json=quote) as answer:
        incident = (await answer.json(content_type=None))["incident"]
    errors = lines.errors()
    assert [incident in record.getMessage() for record in errors] == [True]
    assert errors[0].exc_info is not None


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [
        ("127.0.0.1", 8080, "http://127.0.0.1:8080"),
        ("0.0.0.0", 80, "http://127.0.0.1:80"),  # noqa: S104 - shown, not bound
        ("::", 8080, "http://[::1]:8080"),
        ("fe80::1", 8080, "http://[fe80::1]:8080"),
        ("console.resort.example", 8080, "http://console.resort.example:8080"),
    ],
)
def test_address(host: str, port: int, shown: str) -> None:
    assert address(host, port) == shown
