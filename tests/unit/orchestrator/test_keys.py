"""`snowgate keys …` and `snowgate channel-key …`: what they show, what they wait for, and that no key is shown."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.keys import rotate
from orchestrator.settings import places
from resort.access.service_day import site_day
from resort.clock import SystemClock
from resort.errors import Unavailable
from resort.ids import RandomIds
from sales.office import Payment
from sim.ticket_shop import open_shop
from storage.accounts import Accounts
from storage.database import Database
from storage.key_file import load_keys
from storage.key_holders import KeyHolder
from storage.rounds import Rounds


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def run(data: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(data)], input=stdin)


def test_a_rotation_makes_the_new_key_sign_and_shows_no_key(data: Path) -> None:
    said = run(data, "keys", "list").output
    assert re.search(r"key +1 +signs since", said)
    said += run(data, "keys", "rotate").output
    said += run(data, "keys", "list").output
    assert re.search(r"key +2 +signs since", said)
    assert re.search(r"key +1 +accepted; signed until", said)
    stored = json.loads((data / "site_keys.json").read_text())
    assert stored["current"] == 2
    for secret in stored["keys"].values():
        assert secret not in said
    assert repr(load_keys(data / "site_keys.json")) == "SiteKeys(current=2, ids=[1, 2])"


async def test_a_rotation_waits_for_who_still_holds_the_old_keys(data: Path) -> None:
    where = places(data)
    await rotate(where)
    holder = KeyHolder(where.key_file, "lane:north-1")
    with pytest.raises(Unavailable, match="lane:north-1 cannot be reached: it has not taken up key 3"):
        await rotate(where, patience_s=0.05)
    assert load_keys(where.key_file).current == 2

    async def reload() -> None:
        if holder.changed() is not None:
            holder.tell_used()

    reloading = Rounds("reloading", reload, 0.01)
    reloading.start()
    assert await rotate(where) == 3
    await reloading.close()
    assert load_keys(where.key_file).current == 3
    holder.close()


def test_retiring_tells_how_many_tickets_were_printed_under_the_key(data: Path) -> None:
    assert run(data, "keys", "list").exit_code == 0
    clock = SystemClock()

    async def sell() -> None:
        async with open_shop(f"sqlite:///{data}/snowgate.db", clock=clock) as shop:
            today = site_day(datetime.now(UTC), shop.site)  # noqa: TID251 - the command reads the real clock
            quote = await shop.quoted(2, day=today)
            order = await shop.office.place_order(quote.quote_id, "shop", "k")
            await shop.office.pay(order.order_id, Payment("cash", order.total), "shop", "k")

    asyncio.run(sell())
    assert run(data, "keys", "retire", "1").exit_code == 1  # it signs
    assert run(data, "keys", "rotate").exit_code == 0
    asked = run(data, "keys", "retire", "1", stdin="n\n")
    assert asked.exit_code == 1
    assert "2 tickets that are still valid" in asked.output
    assert sorted(load_keys(data / "site_keys.json").keys) == [1, 2]
    assert run(data, "keys", "retire", "1", "--yes").exit_code == 0
    assert sorted(load_keys(data / "site_keys.json").keys) == [2]
    assert run(data, "keys", "retire", "1").exit_code == 1


def test_a_channel_key_is_shown_once_and_can_be_ended(data: Path) -> None:
    added = run(data, "channel-key", "add", "web shop", "--channel", "shop")
    assert added.exit_code == 0, added.output
    key = added.output.splitlines()[0]

    async def channel() -> str | None:
        database = Database(f"sqlite:///{data}/snowgate.db")
        found = await Accounts(database, SystemClock(), RandomIds()).channel_of(key)
        await database.dispose()
        return found

    assert asyncio.run(channel()) == "shop"
    listed = run(data, "channel-key", "list").output
    assert "web shop" in listed
    assert key not in listed
    assert run(data, "channel-key", "revoke", "web shop").exit_code == 0
    assert asyncio.run(channel()) is None
    assert run(data, "channel-key", "list").output == ""
