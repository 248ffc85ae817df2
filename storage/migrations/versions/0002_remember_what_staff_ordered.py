"""Remember what staff ordered: changes of tickets on their way to the lanes, and whom lanes admit for the moment."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ticket_changes",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor", sa.String(length=64), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_ticket_changes_ticket_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ticket_changes")),
        sa.UniqueConstraint("event_id", name=op.f("uq_ticket_changes_event_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ticket_changes_ticket_id"), "ticket_changes", ["ticket_id"], unique=False)
    op.create_index(
        "ix_ticket_changes_pending",
        "ticket_changes",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("told_at IS NULL"),
        postgresql_where=sa.text("told_at IS NULL"),
    )
    op.create_table(
        "lane_policies",
        sa.Column("lane_id", sa.String(length=200), nullable=False),
        sa.Column("admits", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lane_id", name=op.f("pk_lane_policies")),
    )


def downgrade() -> None:
    op.drop_table("lane_policies")
    op.drop_table("ticket_changes")
