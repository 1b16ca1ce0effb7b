"""moves of episodes between memory layers, further vectors of episodes, and generations for the index"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "memory_moves",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("pair", sa.String(64), primary_key=True),
        sa.Column(
            "asof", sa.BigInteger, primary_key=True, autoincrement=False, comment="the episode that moved"
        ),
        sa.Column(
            "at", sa.BigInteger, primary_key=True, autoincrement=False, comment="moment of the assessment"
        ),
        sa.Column("layer", sa.String(16), nullable=False, comment="where to: short, long, episodic, archive"),
        sa.Column("importance", sa.Float, nullable=False, comment="1-10, as assessed at that moment"),
        sa.Column("reason", sa.String(255), nullable=False),
    )
    op.create_index("ix_memory_moves_at", "memory_moves", ["scope", "pair", "at"])
    op.create_table(
        "episode_vectors",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("pair", sa.String(64), primary_key=True),
        sa.Column(
            "asof", sa.BigInteger, primary_key=True, autoincrement=False, comment="the episode described"
        ),
        sa.Column("kind", sa.String(64), primary_key=True, comment="what made it, as text/<embedder>"),
        sa.Column("known_at", sa.BigInteger, nullable=False, comment="no query before it sees the vector"),
        sa.Column("vector", sa.LargeBinary, nullable=False, comment="float32, little endian"),
    )
    op.create_table(
        "memory_generations",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("pair", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(64), primary_key=True, comment="state, or as in episode_vectors"),
        sa.Column("generation", sa.BigInteger, nullable=False, comment="counts writes, for index files"),
    )


def downgrade() -> None:
    op.drop_table("memory_generations")
    op.drop_table("episode_vectors")
    op.drop_table("memory_moves")
