"""Every SQL table, as SQLAlchemy Core. What rows mean is said here; how they change is in the `*_sql.py` files.

A change here needs a migration in `storage/migrations/versions`: a test compares both on SQLite and on PostgreSQL.
Times are aware UTC, money is whole minor units beside its currency, and structs are JSON text (read back with msgspec).
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

ID = 64  # longest id of our own making
NAME = 200  # longest name or key that comes from outside


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in Python. SQLite has no zones: there it is text of fixed width, so that comparing text compares times."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The value to store. Raises ValueError on a naive time, which would mean another instant on another machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The stored value as aware UTC."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER primary keys by itself

# What happened at the gates, once and for ever. `body` is the whole event; the other columns repeat what is searched.
journal = Table(
    "journal",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("event_id", String(ID), nullable=False, unique=True),
    Column("stream_id", String(ID), nullable=False),  # where the event stood in the ledger's stream; "": it came past it
    Column("kind", String(ID), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("gate_id", String(NAME), nullable=False),
    Column("lane_id", String(NAME), nullable=False),
    Column("lane_seq", BigInteger, nullable=False, server_default="0"),
    Column("ticket_id", String(ID)),
    Column("grant_id", String(ID)),  # of a grant and of its outcome; counts a grant once however often it was settled
    Column("caused_by", String(NAME), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "ticket_id", "kind", "grant_id"),
    Index(None, "at", "kind", "lane_id"),
    Index(None, "lane_id", "lane_seq"),
    sqlite_autoincrement=True,
)

quotes = Table(
    "quotes",
    metadata,
    Column("quote_id", String(ID), primary_key=True),
    Column("product", String(NAME), nullable=False),
    Column("day", Date, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("body", Text, nullable=False),  # resort.pricing.Quote
    Index(None, "expires_at"),
)

# Own copy of the quote, because quotes are thrown away some time after they expired.
orders = Table(
    "orders",
    metadata,
    Column("order_id", String(ID), primary_key=True),
    Column("channel", String(NAME), nullable=False),
    Column("state", String(ID), nullable=False),
    Column("story", Text, nullable=False),  # the states so far, JSON list
    Column("product", String(NAME), nullable=False),
    Column("day", Date, nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("quote", Text, nullable=False),  # resort.pricing.Quote
    Column("refusal", String(ID)),  # error code that says why the order was refused
    Column("refusal_left", Integer),  # places left when it was refused as sold out
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),  # unpaid at that time: expired
    Index(None, "state", "expires_at"),
)

# A key counts per channel and step, so that one key may name a purchase through all its steps.
order_keys = Table(
    "order_keys",
    metadata,
    Column("channel", String(NAME), primary_key=True),
    Column("step", String(ID), primary_key=True),  # "place" | "pay"
    Column("key", String(NAME), primary_key=True),
    Column("fingerprint", String(ID), nullable=False),
    Column("order_id", String(ID), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

inventory_cells = Table(
    "inventory_cells",
    metadata,
    Column("product", String(NAME), primary_key=True),  # its code; of a slot, resort.slots.cell_of
    Column("day", Date, primary_key=True),
    Column("quota", Integer, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("metered", Integer),  # of a slot: what it may sell in all for now, below the site's own places; NULL: not metered
)

inventory_holds = Table(
    "inventory_holds",
    metadata,
    Column("order_id", String(ID), primary_key=True),
    Column("product", String(NAME), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("places", Integer, nullable=False),
    Column("state", String(ID), nullable=False),  # resort.inventory.HoldState
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "state", "expires_at"),
    Index(None, "product", "day", "state"),
)

payments = Table(
    "payments",
    metadata,
    Column("payment_id", String(ID), primary_key=True),
    Column("order_id", String(ID), ForeignKey("orders.order_id"), nullable=False, index=True),
    Column("method", String(ID), nullable=False),
    Column("state", String(ID), nullable=False),  # "captured" | "refunded"
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# What a ticket allows is in `entitlement`, but for its status, which changes; the other columns repeat what is searched.
tickets = Table(
    "tickets",
    metadata,
    Column("ticket_id", String(ID), primary_key=True),
    Column("order_id", String(ID), ForeignKey("orders.order_id"), nullable=False),
    Column("position", Integer, nullable=False),  # within the order, from 0
    Column("product", String(NAME), nullable=False),
    Column("unit", String(NAME), nullable=False),
    Column("valid_on", Date, nullable=False),
    Column("valid_until", Date),  # the last day; NULL: `valid_on` is the only one
    Column("entries", Integer),  # how many persons may enter on it in all (entries x party); NULL: no number is set
    Column("status", String(ID), nullable=False, server_default="active"),  # resort.access.entitlement.TicketStatus
    Column("entitlement", Text, nullable=False),  # resort.access.entitlement.Entitlement as it was issued
    Column("issued_at", UtcDateTime, nullable=False),
    UniqueConstraint("order_id", "position"),
    Index(None, "valid_on"),
    Index(None, "valid_until"),
)

# Written with the tickets, so that none is sold without the lanes being told; emptied by the relay.
entitlement_outbox = Table(
    "entitlement_outbox",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("ticket_id", String(ID), ForeignKey("tickets.ticket_id"), nullable=False, unique=True),
    Column("body", Text, nullable=False),  # resort.access.entitlement.TicketRecord
    Column("created_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Index(
        "ix_entitlement_outbox_pending",
        "seq",
        sqlite_where=text("published_at IS NULL"),
        postgresql_where=text("published_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

# What staff ordered away from any lane: written with the ticket's new status, a lane's mode or its policy, and told to the
# ledger, and so to the journal, by the relay, in order.
staff_orders = Table(
    "staff_orders",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("event_id", String(ID), nullable=False, unique=True),
    Column("ticket_id", String(ID), ForeignKey("tickets.ticket_id"), index=True),  # null: the order was about a lane or a face
    Column("body", Text, nullable=False),  # storage.tickets_sql.StaffEvent
    Column("told_at", UtcDateTime),  # the ledger has it, and with it the stream
    Column("successor", String(ID)),  # of a transferred ticket: the id of the ticket that takes its place
    Column("issued_at", UtcDateTime),  # when the successor was issued
    Index(
        "ix_staff_orders_pending",
        "seq",
        sqlite_where=text("told_at IS NULL"),
        postgresql_where=text("told_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadata,
    Column("user_id", String(ID), primary_key=True),
    Column("name", String(NAME), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),  # argon2id with its own parameters and salt
    Column("role", String(ID), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(ID), primary_key=True),  # SHA-256 of the token; the token itself is nowhere
    Column("user_id", String(ID), ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

channel_keys = Table(
    "channel_keys",
    metadata,
    Column("key_hash", String(ID), primary_key=True),  # SHA-256 of the key; likewise
    Column("name", String(NAME), nullable=False, unique=True),
    Column("channel", String(NAME), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# What a sales partner booked, beside the order that holds its places or its tickets. A change of places is a new order.
partner_bookings = Table(
    "partner_bookings",
    metadata,
    Column("partner", String(NAME), primary_key=True),  # the channel of his key
    Column("uuid", String(ID), primary_key=True),  # the partner's own, or ours
    Column("booking_id", String(ID), nullable=False, unique=True),
    Column("supplier_reference", String(ID), nullable=False, unique=True),
    Column("reseller_reference", String(NAME)),
    Column("order_id", String(ID), ForeignKey("orders.order_id"), nullable=False, index=True),
    Column("fingerprint", String(ID), nullable=False),  # of what was asked for first, by which a repetition is known
    Column("net_percent", Integer, nullable=False),  # of the price, as it was agreed then
    Column("body", Text, nullable=False),  # storage.partner_bookings.BookingBody: contact, notes, unit items
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
    Column("cancelled_at", UtcDateTime),
    Index(None, "partner", "reseller_reference"),
)

lane_modes = Table(
    "lane_modes",
    metadata,
    Column("lane_id", String(NAME), primary_key=True),
    Column("mode", String(ID), nullable=False),  # "open" | "closed" | "exit"
    Column("ordered_by", String(NAME), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Whom a lane admits beside the tickets of its own class, as ordered for the moment.
lane_policies = Table(
    "lane_policies",
    metadata,
    Column("lane_id", String(NAME), primary_key=True),
    Column("admits", Text, nullable=False),  # JSON list of lane classes
    Column("ordered_by", String(NAME), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Faces that are enrolled now, sealed: `storage/face_box.py` says how. Deleting the row is all there is to forget.
faces = Table(
    "faces",
    metadata,
    Column("ticket_id", String(ID), ForeignKey("tickets.ticket_id"), primary_key=True),
    Column("key_id", Integer, nullable=False, index=True),
    Column("model_id", String(NAME), nullable=False),
    Column("template", LargeBinary, nullable=False),
    Column("picture", LargeBinary, nullable=False),
    Column("valid_on", Date, nullable=False),
    Column("valid_until", Date, nullable=False, index=True),
    Column("places", Text, nullable=False),  # JSON list of gates, zones and lifts; empty: the whole site
    Column("origin", String(ID), nullable=False),  # resort.faces.FaceOrigin
    Column("enrolled_at", UtcDateTime, nullable=False),
)

# The last change of each ticket's face, also of one that is gone: what galleries follow. Versions grow in order of commit.
face_changes = Table(
    "face_changes",
    metadata,
    Column("ticket_id", String(ID), primary_key=True),
    Column("version", BigInteger, nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False),
)

# One row: the last version given. Whoever changes a face holds it until his unit ends.
face_version = Table(
    "face_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# Who agreed to what, and how it ended: evidence that outlives the face and holds nothing of it.
face_consents = Table(
    "face_consents",
    metadata,
    Column("consent_id", String(ID), primary_key=True),
    Column("ticket_id", String(ID), ForeignKey("tickets.ticket_id"), nullable=False, index=True),
    Column("wording", String(ID), nullable=False),  # version of the text shown
    Column("wording_digest", String(ID), nullable=False),  # SHA-256 of that text
    Column("given_by", String(ID), nullable=False),  # resort.faces.ConsentGiver
    Column("given_at", UtcDateTime, nullable=False),
    Column("origin", String(ID), nullable=False),
    Column("recorded_by", String(NAME), nullable=False),  # the account or sales channel that sent it
    Column("ended_at", UtcDateTime),
    Column("ended_by", String(NAME)),
    Column("reason", String(ID)),  # resort.faces.ForgetReason
)

site_meta = Table(
    "site_meta",
    metadata,
    Column("key", String(NAME), primary_key=True),
    Column("value", Text, nullable=False),
)
