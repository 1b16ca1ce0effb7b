"""spend: what asking models has cost"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spend",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False, comment="wall clock when it was settled"),
        sa.Column("run", sa.String(160), nullable=False, comment="one start of a backtest or bot"),
        sa.Column("decision", sa.String(64), nullable=False, comment="decision id; empty if for none"),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("endpoint", sa.String(255), nullable=False, comment="address, without credentials"),
        sa.Column("key", sa.String(64), nullable=False, comment="content address of the question"),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column(
            "cost_nano",
            sa.BigInteger,
            comment="billionths of the price table's currency; null without a price",
        ),
        sa.Column(
            "basis",
            sa.String(8),
            nullable=False,
            comment="usage = counted by the endpoint; bound = unknown, so the whole reservation",
        ),
    )
    op.create_index("ix_spend_at", "spend", ["at"])
    op.create_index("ix_spend_run", "spend", ["run"])


def downgrade() -> None:
    op.drop_table("spend")
