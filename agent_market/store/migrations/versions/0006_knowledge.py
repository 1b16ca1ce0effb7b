"""taught notes, their log, refused writes, text vectors, the knowledge graph, and jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "episodes", sa.Column("invalid_from", sa.BigInteger, comment="a human forgot it; null = recalled")
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.String(16), primary_key=True, comment="first digits of digest"),
        sa.Column(
            "digest", sa.String(64), nullable=False, comment="sha256 of the words and what they are about"
        ),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("source", sa.String(32), nullable=False, comment="human, reflection, ..."),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column(
            "trust", sa.Float, nullable=False, comment="0-1; of two that say the same the higher stays"
        ),
        sa.Column("pair", sa.String(64), comment="only for this pair; null = all"),
        sa.Column("regime", sa.String(32), comment="only in this regime; null = all"),
        sa.Column("strategy", sa.String(128), comment="only for this scope; null = all"),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("event_at", sa.BigInteger, nullable=False, comment="when it happened"),
        sa.Column("known_at", sa.BigInteger, nullable=False, comment="no query before it sees the note"),
        sa.Column("valid_from", sa.BigInteger, nullable=False, comment="true from"),
        sa.Column("invalid_from", sa.BigInteger, comment="no longer true from; null = still"),
        sa.Column("corrects", sa.String(16), comment="id of the note that this one replaces"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_notes_known_at", "notes", ["known_at"])
    op.create_table(
        "memory_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(16), nullable=False, comment="teach, correct, pin, unpin, forget"),
        sa.Column("scope", sa.String(128), nullable=False, comment="of an episode; empty for a note"),
        sa.Column("subject", sa.String(64), nullable=False, comment="id of note or episode"),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
    )
    op.create_index("ix_memory_log_subject", "memory_log", ["scope", "subject"])
    op.create_table(
        "refused_writes",
        sa.Column("scope", sa.String(128), primary_key=True, comment="empty for notes"),
        sa.Column("rule", sa.String(32), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("sample", sa.String(255), nullable=False, comment="beginning of the newest one"),
    )
    op.create_table(
        "text_vectors",
        sa.Column("digest", sa.String(64), primary_key=True, comment="sha256 of the text"),
        sa.Column("embedder", sa.String(128), primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False, comment="float32, little endian, length 1"),
    )
    op.create_table(
        "graph_nodes",
        sa.Column("id", sa.String(160), primary_key=True, comment="kind:name"),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("known_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "graph_edges",
        sa.Column("scope", sa.String(128), primary_key=True, comment="empty = found in market data alone"),
        sa.Column("source", sa.String(160), primary_key=True),
        sa.Column("target", sa.String(160), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("known_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_at", sa.BigInteger, nullable=False, comment="end of the data it was found in"),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("invalid_from", sa.BigInteger, comment="no longer found from; null = holds"),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("evidence", sa.LargeBinary, nullable=False, comment="JSON: statistics and episode ids"),
    )
    op.create_index("ix_graph_edges_known_at", "graph_edges", ["known_at"])
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, comment="as of when it last ran"),
        sa.Column("result", sa.LargeBinary, nullable=False, comment="JSON"),
    )


def downgrade() -> None:
    for table in (
        "jobs",
        "graph_edges",
        "graph_nodes",
        "text_vectors",
        "refused_writes",
        "memory_log",
        "notes",
    ):
        op.drop_table(table)
    op.drop_column("episodes", "invalid_from")
