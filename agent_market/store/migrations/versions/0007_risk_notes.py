"""what risk did to the orders of a decision: clamps, refusals and fills"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "risk_notes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(128), nullable=False, comment="that of the decision's episode"),
        sa.Column(
            "run", sa.String(128), nullable=False, comment="live, or backtest/<Strategy>: begins afresh"
        ),
        sa.Column("decision", sa.String(64), nullable=False, comment="decision id, as entry tags name it"),
        sa.Column("pair", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="clamps, refusal or fill"),
        sa.Column("known_at", sa.BigInteger, nullable=False, comment="no query before it sees the note"),
        sa.Column("data", sa.LargeBinary, nullable=False, comment="JSON: each limit with its value"),
    )
    op.create_index("ix_risk_notes_decision", "risk_notes", ["scope", "decision"])


def downgrade() -> None:
    op.drop_table("risk_notes")
