"""Keep what a ticket allows whole, beside a status of its own and its last day."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 1_000


def upgrade() -> None:
    with op.batch_alter_table("tickets") as table:
        table.alter_column("entries", existing_type=sa.Integer(), nullable=True)
        table.add_column(sa.Column("valid_until", sa.Date(), nullable=True))
        table.add_column(sa.Column("status", sa.String(length=64), server_default="active", nullable=False))
        table.add_column(sa.Column("entitlement", sa.Text(), nullable=True))
    tickets = sa.table(
        "tickets",
        sa.column("ticket_id", sa.String),
        sa.column("product", sa.String),
        sa.column("unit", sa.String),
        sa.column("valid_on", sa.Date),
        sa.column("entries", sa.Integer),
        sa.column("lane_classes", sa.Text),
        sa.column("blocked", sa.Boolean),
        sa.column("status", sa.String),
        sa.column("entitlement", sa.Text),
    )
    connection = op.get_bind()
    query = sa.select(tickets).where(tickets.c.entitlement.is_(None)).limit(AT_ONCE)
    described = (
        tickets.update()
        .where(tickets.c.ticket_id == sa.bindparam("which"))
        .values(status=sa.bindparam("now"), entitlement=sa.bindparam("whole"))
    )
    while rows := connection.execute(query).all():
        connection.execute(described, [_described(row) for row in rows])
    with op.batch_alter_table("tickets") as table:
        table.alter_column("entitlement", existing_type=sa.Text(), nullable=False)
        table.drop_column("lane_classes")
        table.drop_column("blocked")
        table.create_index(op.f("ix_tickets_valid_until"), ["valid_until"], unique=False)


def _described(row: sa.Row) -> dict[str, str]:
    whole = {
        "product": row.product,
        "unit": row.unit,
        "valid_on": row.valid_on.isoformat(),
        "entries": row.entries,
        "lane_classes": json.loads(row.lane_classes),
    }
    return {
        "which": row.ticket_id,
        "now": "blocked" if row.blocked else "active",
        "whole": json.dumps(whole, ensure_ascii=False, separators=(",", ":")),
    }


def downgrade() -> None:
    with op.batch_alter_table("tickets") as table:
        table.drop_index(op.f("ix_tickets_valid_until"))
        table.add_column(sa.Column("lane_classes", sa.Text(), server_default="[]", nullable=False))
        table.add_column(sa.Column("blocked", sa.Boolean(), server_default=sa.false(), nullable=False))
        table.drop_column("entitlement")
        table.drop_column("status")
        table.drop_column("valid_until")
