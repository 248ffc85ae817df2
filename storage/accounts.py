"""Staff accounts, their sessions, and the keys of sales channels. Only hashes are stored; secrets are shown once.

Passwords are hashed with argon2id, which is slow on purpose. Session tokens and channel keys are long and random, so one
SHA-256 is enough for them. What a role may do is the windows' business.
"""

import asyncio
import hashlib
import secrets
import unicodedata
from datetime import datetime, timedelta

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select, update

from resort.clock import Clock
from resort.errors import Busy, Invalid, NotFound, NotSignedIn
from resort.ids import IdSource
from storage.database import Database, insert_into
from storage.tables import channel_keys, sessions, users

ROLES = ("admin", "control_room", "cashier", "viewer")
ADMIN = "admin"

SESSION = timedelta(hours=12)
IDLE = timedelta(hours=2)
_SEEN_EVERY = timedelta(minutes=1)  # a session's last use is written at most this often

MIN_PASSWORD = 8
MAX_PASSWORD = 1_000
MAX_NAME = 200

FAILURES = 5  # for one name within FAILURE_WINDOW_S; after that it has to wait
FAILURE_WINDOW_S = 60.0
_NAMES_WATCHED = 10_000  # names come from outside: the memory of failures is bounded, oldest first
_HASHES_AT_ONCE = 2  # each takes 64 MiB and a core for about 50 ms


class User(msgspec.Struct, frozen=True):
    """Somebody who can sign in."""

    user_id: str
    name: str
    role: str


class ChannelKey(msgspec.Struct, frozen=True):
    """A channel key as it may be shown: the key itself is stored nowhere."""

    name: str
    channel: str
    created_at: datetime


class SignedIn(msgspec.Struct, frozen=True):
    """A fresh session: `token` is shown this once and has to be sent with every request."""

    token: str
    user: User

    def __repr__(self) -> str:
        return f"SignedIn(user={self.user!r})"


class Accounts:
    """Users, sessions and channel keys. Every method raises DatabaseUnavailable while SQL is away.

    Failed sign-ins are counted in this process's memory only.
    """

    def __init__(self, db: Database, clock: Clock, ids: IdSource, hasher: PasswordHasher | None = None) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._hasher = hasher or PasswordHasher()
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._nobody: str | None = None  # a hash to verify against when the name is unknown, so that it takes as long
        self._failures: dict[str, list[int]] = {}  # by name: ticks of recent failures, ns

    async def ensure_admin(self) -> str | None:
        """Make the user `admin` if there is none; answers its password, which nobody can learn later, or None."""
        async with self._db.read() as connection:
            if await connection.scalar(select(users.c.user_id).where(users.c.name == ADMIN)) is not None:
                return None
        password = secrets.token_urlsafe(12)
        return password if await self._insert_user(ADMIN, ADMIN, password) is not None else None

    async def create_user(self, name: str, role: str, password: str) -> User:
        """Add a user. Raises Invalid (name taken, unknown role, poor password)."""
        name = _checked_name("name", name)
        if role not in ROLES:
            raise Invalid("role", f"must be one of {', '.join(ROLES)}")
        user = await self._insert_user(name, role, _checked_password(password))
        if user is None:
            raise Invalid("name", "is taken")
        return user

    async def set_password(self, name: str, password: str) -> None:
        """Give a user another password and end all their sessions. Raises NotFound, Invalid."""
        name = _checked_name("name", name)
        hashed = await self._hash(_checked_password(password))
        async with self._db.write() as connection:
            user_id = await connection.scalar(select(users.c.user_id).where(users.c.name == name))
            if user_id is None:
                raise NotFound("user", name)
            await connection.execute(update(users).where(users.c.user_id == user_id).values(password_hash=hashed))
            await connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
        self._failures.pop(name, None)

    async def sign_in(self, name: str, password: str) -> SignedIn:
        """Begin a session. Raises NotSignedIn (which of name and password was wrong is not told), Busy (too many failures)."""
        name = _normal(name)
        self._check_failures(name)
        # Counted before the slow part and forgotten on success: tries that run at the same time count as well.
        self._failures.setdefault(name, []).append(self._clock.now().tick_ns)
        async with self._db.read() as connection:
            query = select(users.c.user_id, users.c.name, users.c.role, users.c.password_hash)
            row = (await connection.execute(query.where(users.c.name == name))).first() if _plain(name) else None
        if not await self._verify(row.password_hash if row else None, password) or row is None:
            raise NotSignedIn
        self._failures.pop(name, None)
        renewed = await self._hash(password) if self._hasher.check_needs_rehash(row.password_hash) else None
        token = secrets.token_urlsafe(32)
        now = self._clock.now().at
        async with self._db.write() as connection:
            if renewed is not None:
                await connection.execute(update(users).where(users.c.user_id == row.user_id).values(password_hash=renewed))
            await connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            await connection.execute(
                insert(sessions).values(
                    token_hash=_digest(token), user_id=row.user_id, created_at=now, seen_at=now, expires_at=now + SESSION
                )
            )
        return SignedIn(token, User(row.user_id, row.name, row.role))

    async def user_of(self, token: str) -> User | None:
        """Who the session belongs to; None when it is unknown, ended, 12 h old or was not used for 2 h."""
        now = self._clock.now().at
        async with self._db.read() as connection:
            row = (
                await connection.execute(
                    select(users.c.user_id, users.c.name, users.c.role, sessions.c.seen_at)
                    .join_from(sessions, users)
                    .where(sessions.c.token_hash == _digest(token), sessions.c.expires_at > now)
                    .where(sessions.c.seen_at > now - IDLE)
                )
            ).first()
        if row is None:
            return None
        if now - row.seen_at >= _SEEN_EVERY:
            await self._touch(token, now)
        return User(row.user_id, row.name, row.role)

    async def sign_out(self, token: str) -> None:
        """End the session; idempotent."""
        async with self._db.write() as connection:
            await connection.execute(delete(sessions).where(sessions.c.token_hash == _digest(token)))

    async def create_channel_key(self, name: str, channel: str) -> str:
        """A new key under which a program sells for `channel`, shown this once. Raises Invalid (name taken)."""
        name = _checked_name("name", name)
        channel = _checked_name("channel", channel)
        key = f"sgk_{secrets.token_urlsafe(32)}"
        async with self._db.write() as connection:
            done = await connection.execute(
                insert_into(connection, channel_keys)
                .values(key_hash=_digest(key), name=name, channel=channel, created_at=self._clock.now().at)
                .on_conflict_do_nothing(index_elements=["name"])
            )
        if done.rowcount != 1:
            raise Invalid("name", "is taken")
        return key

    async def channel_key_list(self) -> list[ChannelKey]:
        """Every channel key, by name."""
        query = select(channel_keys.c.name, channel_keys.c.channel, channel_keys.c.created_at).order_by(channel_keys.c.name)
        async with self._db.read() as connection:
            return [ChannelKey(row.name, row.channel, row.created_at) for row in await connection.execute(query)]

    async def revoke_channel_key(self, name: str) -> None:
        """End a channel key: the next request that brings it is refused. Raises NotFound, Invalid."""
        name = _checked_name("name", name)
        async with self._db.write() as connection:
            done = await connection.execute(delete(channel_keys).where(channel_keys.c.name == name))
        if done.rowcount != 1:
            raise NotFound("channel key", name)

    async def channel_of(self, key: str) -> str | None:
        """The channel that this key sells for, or None."""
        async with self._db.read() as connection:
            found = await connection.scalar(select(channel_keys.c.channel).where(channel_keys.c.key_hash == _digest(key)))
        return None if found is None else str(found)

    async def _touch(self, token: str, now: datetime) -> None:
        async with self._db.write() as connection:
            await connection.execute(update(sessions).where(sessions.c.token_hash == _digest(token)).values(seen_at=now))

    async def _insert_user(self, name: str, role: str, password: str) -> User | None:
        """The new user, or None when the name is taken."""
        hashed = await self._hash(password)
        user = User(self._ids.new("user"), name, role)
        async with self._db.write() as connection:
            done = await connection.execute(
                insert_into(connection, users)
                .values(user_id=user.user_id, name=name, role=role, password_hash=hashed, created_at=self._clock.now().at)
                .on_conflict_do_nothing(index_elements=["name"])
            )
        return user if done.rowcount == 1 else None

    def _check_failures(self, name: str) -> None:
        now = self._clock.now().tick_ns
        window_ns = round(FAILURE_WINDOW_S * 1e9)
        recent = [tick for tick in self._failures.pop(name, []) if now - tick < window_ns]
        if recent:
            self._failures[name] = recent
        while len(self._failures) >= _NAMES_WATCHED:
            del self._failures[next(iter(self._failures))]
        if len(recent) >= FAILURES:
            raise Busy("Signing in under this name", round((window_ns - (now - recent[-FAILURES])) / 1e9, 1))

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password fits; takes as long when there is no such user."""
        if self._nobody is None:
            self._nobody = await self._hash(secrets.token_urlsafe(12))
        async with self._hashing:
            fits = await asyncio.to_thread(self._fits, hashed or self._nobody, password[:MAX_PASSWORD])
        return fits and hashed is not None

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError, UnicodeError):
            return False


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _normal(name: str) -> str:
    """One spelling per name, whatever the keyboard: compatibility forms folded, case ignored."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _plain(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and name.isprintable()


def _checked_name(field: str, name: str) -> str:
    name = _normal(name)
    if not _plain(name):
        raise Invalid(field, f"must be 1 to {MAX_NAME} printable characters")
    return name


def _checked_password(password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD or not _encodable(password):
        raise Invalid("password", f"must be {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return password


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
