"""answers and episodes"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("key", sa.String(64), primary_key=True, comment="sha256 of the whole request"),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False, comment="JSON: what was sent"),
        sa.Column("response", sa.LargeBinary, nullable=False, comment="JSON: the validated answer"),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column("latency_s", sa.Float, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_answers_role", "answers", ["role"])
    op.create_table(
        "episodes",
        sa.Column(
            "scope", sa.String(128), primary_key=True, comment="one memory: a backtest or the live bot"
        ),
        sa.Column("pair", sa.String(64), primary_key=True),
        sa.Column(
            "asof",
            sa.BigInteger,
            primary_key=True,
            autoincrement=False,
            comment="close of the candle decided on",
        ),
        sa.Column("id", sa.String(64), nullable=False, comment="decision id, as entry tags name it"),
        sa.Column("due", sa.BigInteger, nullable=False, comment="when the outcome will be known"),
        sa.Column("known_at", sa.BigInteger, comment="when the outcome became known; null before"),
        sa.Column("state", sa.LargeBinary, nullable=False, comment="float32 vector that recall compares"),
        sa.Column("record", sa.LargeBinary, nullable=False, comment="JSON: the episode without its outcome"),
        sa.Column("outcome", sa.LargeBinary, comment="JSON: the outcome"),
        sa.UniqueConstraint("scope", "id", name="uq_episodes_scope_id"),
    )
    op.create_index("ix_episodes_known", "episodes", ["scope", "pair", "known_at"])


def downgrade() -> None:
    op.drop_table("episodes")
    op.drop_table("answers")
