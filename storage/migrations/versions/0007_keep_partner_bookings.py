"""Meter what slots may sell."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("inventory_cells", sa.Column("metered", sa.Integer(), nullable=True))
