"""Keep what sales partners booked, and what slots may sell for now."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("inventory_cells", sa.Column("metered", sa.Integer(), nullable=True))
    op.create_table(
        "partner_bookings",
        sa.Column("partner", sa.String(length=200), nullable=False),
        sa.Column("uuid", sa.String(length=64), nullable=False),
        sa.Column("booking_id", sa.String(length=64), nullable=False),
        sa.Column("supplier_reference", sa.String(length=64), nullable=False),
        sa.Column("reseller_reference", sa.String(length=200), nullable=True),
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("net_percent", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name=op.f("fk_partner_bookings_order_id")),
        sa.PrimaryKeyConstraint("partner", "uuid", name=op.f("pk_partner_bookings")),
        sa.UniqueConstraint("booking_id", name=op.f("uq_partner_bookings_booking_id")),
        sa.UniqueConstraint("supplier_reference", name=op.f("uq_partner_bookings_supplier_reference")),
    )
    op.create_index(op.f("ix_partner_bookings_order_id"), "partner_bookings", ["order_id"], unique=False)
    op.create_index(
        op.f("ix_partner_bookings_partner_reseller_reference"),
        "partner_bookings",
        ["partner", "reseller_reference"],
        unique=False,
    )
