"""Keep every order of staff until the journal has it, also those about lanes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff_orders",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("ticket_id", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor", sa.String(length=64), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_staff_orders_ticket_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_staff_orders")),
        sa.UniqueConstraint("event_id", name=op.f("uq_staff_orders_event_id")),
        sqlite_autoincrement=True,
    )
    columns = "event_id, ticket_id, body, told_at, successor, issued_at"
    op.execute(f"INSERT INTO staff_orders ({columns}) SELECT {columns} FROM ticket_changes ORDER BY seq")  # noqa: S608 - constants
    op.drop_table("ticket_changes")
    op.create_index(op.f("ix_staff_orders_ticket_id"), "staff_orders", ["ticket_id"], unique=False)
    op.create_index(
        op.f("ix_staff_orders_pending"),
        "staff_orders",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
