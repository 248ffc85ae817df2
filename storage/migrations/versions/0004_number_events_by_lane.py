"""Keep each event's number within its lane, so that a lane's newest events are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Events stored before had no number.
    op.add_column("journal", sa.Column("lane_seq", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(op.f("ix_journal_lane_id_lane_seq"), "journal", ["lane_id", "lane_seq"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_journal_lane_id_lane_seq"), table_name="journal")
    with op.batch_alter_table("journal") as table:
        table.drop_column("lane_seq")
