"""prompt versions, their promotions, and the ledger of trials"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prompts",
        sa.Column(
            "version", sa.String(16), primary_key=True, comment="first digits of sha256 of role and texts"
        ),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("texts", sa.LargeBinary, nullable=False, comment="JSON: text of each tuned part, by name"),
        sa.Column(
            "parent", sa.String(16), comment="version that it was varied from; null for the role table's own"
        ),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_prompts_role", "prompts", ["role"])
    op.create_table(
        "prompt_promotions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column(
            "replaced", sa.String(16), nullable=False, comment="version in force before, for the way back"
        ),
        sa.Column(
            "known_at", sa.BigInteger, nullable=False, comment="no decision before it sees this prompt"
        ),
        sa.Column("evidence", sa.LargeBinary, nullable=False, comment="JSON: why it was promoted"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger, comment="wall clock of the rollback; null = in force"),
    )
    op.create_index("ix_prompt_promotions_role", "prompt_promotions", ["role"])
    op.create_table(
        "trials",
        sa.Column(
            "study", sa.String(128), primary_key=True, comment="what was searched, as prompts/aggressive"
        ),
        sa.Column("candidate", sa.String(64), primary_key=True, comment="content address of what was tried"),
        sa.Column(
            "sample", sa.String(64), primary_key=True, comment="sha256 of the occasions it was tried on"
        ),
        sa.Column("first_at", sa.BigInteger, nullable=False, comment="first occasion"),
        sa.Column("last_at", sa.BigInteger, nullable=False, comment="last occasion"),
        sa.Column("observations", sa.Integer, nullable=False),
        sa.Column("mean", sa.Float, nullable=False, comment="mean result an occasion"),
        sa.Column("deviation", sa.Float, nullable=False, comment="sample standard deviation of it"),
        sa.Column("results", sa.LargeBinary, comment="float32 results in the order of the occasions"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("trials")
    op.drop_table("prompt_promotions")
    op.drop_table("prompts")
