"""`snowgate user …`: accounts without a running site."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator.settings import Places
from resort.clock import SystemClock
from resort.ids import RandomIds
from storage.accounts import Accounts
from storage.database import Database
from storage.migrate import upgrade


@asynccontextmanager
async def _accounts(where: Places) -> AsyncIterator[Accounts]:
    await upgrade(where.database_url)
    database = Database(where.database_url)
    try:
        yield Accounts(database, SystemClock(), RandomIds())
    finally:
        await database.dispose()


async def add_user(where: Places, name: str, role: str, password: str) -> None:
    """Add a user. Raises Invalid or Refused."""
    async with _accounts(where) as accounts:
        await accounts.create_user(name, role, password)


async def set_password(where: Places, name: str, password: str) -> None:
    """Set a password. Raises NotFound or Invalid."""
    async with _accounts(where) as accounts:
        await accounts.set_password(name, password)
