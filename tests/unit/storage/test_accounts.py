"""Accounts, sessions and channel keys: who gets in, for how long, and what is stored."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from resort.clock import ManualClock
from resort.errors import Busy, Invalid, NotFound, NotSignedIn
from resort.ids import SeededIds
from sim.ticket_shop import MORNING
from storage.accounts import FAILURES, Accounts
from storage.database import Database
from storage.migrate import upgrade

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
def accounts(database: Database, clock: ManualClock) -> Accounts:
    return Accounts(database, clock, SeededIds("accounts"), QUICK)


async def test_the_first_admin_password_is_told_once_and_works(accounts: Accounts) -> None:
    password = await accounts.ensure_admin()
    assert password is not None
    assert await accounts.ensure_admin() is None
    signed_in = await accounts.sign_in("admin", password)
    assert (signed_in.user.name, signed_in.user.role) == ("admin", "admin")
    assert await accounts.user_of(signed_in.token) == signed_in.user


async def test_two_processes_make_one_admin(accounts: Accounts, database: Database, clock: ManualClock) -> None:
    other = Accounts(database, clock, SeededIds("other"), QUICK)
    told = [password for password in await asyncio.gather(accounts.ensure_admin(), other.ensure_admin()) if password]
    assert len(told) == 1
    await accounts.sign_in("admin", told[0])


async def test_no_secret_is_stored(accounts: Accounts, tmp_path: Path) -> None:
    password = await accounts.ensure_admin()
    assert password is not None
    token = (await accounts.sign_in("admin", password)).token
    key = await accounts.create_channel_key("web shop", "shop")
    stored = "\n".join(sqlite3.connect(tmp_path / "snowgate.db").iterdump())
    assert "argon2id" in stored
    assert not [secret for secret in (password, token, key) if secret in stored]


async def test_default_hasher_is_argon2id(database: Database, clock: ManualClock) -> None:
    slow = Accounts(database, clock, SeededIds("slow"))
    await slow.create_user("ann", "viewer", "long enough")
    quick = Accounts(database, clock, SeededIds("quick"), QUICK)
    await quick.sign_in("ann", "long enough")  # verifies, and hashes anew with its own parameters
    async with database.read() as connection:
        hashed = (await connection.exec_driver_sql("SELECT password_hash FROM users")).scalar()
    assert hashed.startswith("$argon2id$v=19$m=8,t=1,p=1$")


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong password"), ("bo", "long enough"), ("", ""), ("\ud800", "\ud800")]
)
async def test_wrong_name_or_password_is_one_answer(accounts: Accounts, name: str, password: str) -> None:
    await accounts.create_user("ann", "cashier", "long enough")
    with pytest.raises(NotSignedIn):
        await accounts.sign_in(name, password)


async def test_names_have_one_spelling(accounts: Accounts) -> None:
    await accounts.create_user("Ann", "cashier", "long enough")
    assert (await accounts.sign_in(" ＡNN", "long enough")).user.name == "ann"
    with pytest.raises(Invalid, match="taken"):
        await accounts.create_user("ANN", "viewer", "long enough")


@pytest.mark.parametrize(
    ("name", "role", "password", "field"),
    [
        ("", "viewer", "long enough", "name"),
        ("a\nb", "viewer", "long enough", "name"),
        ("ann", "king", "long enough", "role"),
        ("ann", "viewer", "short", "password"),
        ("ann", "viewer", "x" * 1001, "password"),
    ],
)
async def test_bad_users_are_refused(accounts: Accounts, name: str, role: str, password: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        await accounts.create_user(name, role, password)
    assert caught.value.field == field


async def test_a_session_ends_after_two_idle_hours(accounts: Accounts, clock: ManualClock) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    token = (await accounts.sign_in("ann", "long enough")).token
    for _ in range(3):
        clock.advance_ms(2 * HOUR_MS - 1)
        assert await accounts.user_of(token) is not None
    clock.advance_ms(2 * HOUR_MS)
    assert await accounts.user_of(token) is None


async def test_a_session_ends_after_twelve_hours_however_busy(accounts: Accounts, clock: ManualClock) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    token = (await accounts.sign_in("ann", "long enough")).token
    for _ in range(11):
        clock.advance_ms(HOUR_MS)
        assert await accounts.user_of(token) is not None
    clock.advance_ms(HOUR_MS)
    assert await accounts.user_of(token) is None


async def test_signing_out_ends_one_session_and_a_new_password_all(accounts: Accounts) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    tokens = [(await accounts.sign_in("ann", "long enough")).token for _ in range(3)]
    await accounts.sign_out(tokens[0])
    await accounts.sign_out(tokens[0])
    assert [await accounts.user_of(token) is not None for token in tokens] == [False, True, True]
    await accounts.set_password("ann", "another one")
    assert [await accounts.user_of(token) for token in tokens] == [None, None, None]
    await accounts.sign_in("ann", "another one")
    with pytest.raises(NotFound):
        await accounts.set_password("bo", "long enough")


async def test_after_five_failures_a_name_waits_a_minute(accounts: Accounts, clock: ManualClock) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    await accounts.create_user("bo", "viewer", "long enough")
    for _ in range(FAILURES):
        with pytest.raises(NotSignedIn):
            await accounts.sign_in("ann", "wrong password")
        clock.advance_ms(1_000)
    with pytest.raises(Busy) as caught:
        await accounts.sign_in("ANN", "long enough")
    assert caught.value.retry_after_s == 55.0
    await accounts.sign_in("bo", "long enough")
    clock.advance_ms(55_000)
    await accounts.sign_in("ann", "long enough")


async def test_failures_at_the_same_time_count_too(accounts: Accounts) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    tries = (accounts.sign_in("ann", f"wrong password {number}") for number in range(20))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Busy"] * 15 + ["NotSignedIn"] * FAILURES


async def test_success_forgets_failures(accounts: Accounts) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    for _ in range(3):
        for _ in range(FAILURES - 1):
            with pytest.raises(NotSignedIn):
                await accounts.sign_in("ann", "wrong password")
        await accounts.sign_in("ann", "long enough")


async def test_channel_keys(accounts: Accounts) -> None:
    key = await accounts.create_channel_key("web shop", "shop")
    assert await accounts.channel_of(key) == "shop"
    assert await accounts.channel_of(key[:-1]) is None
    assert await accounts.channel_of("\ud800") is None
    with pytest.raises(Invalid, match="taken"):
        await accounts.create_channel_key("web shop", "shop")


async def test_a_session_is_not_shown_when_printed(accounts: Accounts) -> None:
    await accounts.create_user("ann", "viewer", "long enough")
    signed_in = await accounts.sign_in("ann", "long enough")
    assert signed_in.token not in repr(signed_in)


async def test_channel_keys_are_listed_without_the_key_and_end_when_revoked(accounts: Accounts) -> None:
    key = await accounts.create_channel_key("Web shop", "shop")
    await accounts.create_channel_key("agency", "partner")
    listed = await accounts.channel_key_list()
    assert [(found.name, found.channel, found.created_at) for found in listed] == [
        ("agency", "partner", MORNING),
        ("web shop", "shop", MORNING),
    ]
    assert key not in repr(listed)
    await accounts.revoke_channel_key("WEB SHOP")
    assert await accounts.channel_of(key) is None
    assert [found.name for found in await accounts.channel_key_list()] == ["agency"]
    with pytest.raises(NotFound):
        await accounts.revoke_channel_key("web shop")
