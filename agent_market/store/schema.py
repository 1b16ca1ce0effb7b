"""Tables, the one authority on what is stored. Migrations under `store/migrations` create them.

Times are integer seconds since the epoch, UTC. JSON columns hold UTF-8 bytes as `orjson` writes them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

answers = Table(
    "answers",
    metadata,
    Column("key", String(64), primary_key=True, comment="sha256 of the whole request"),
    Column("role", String(64), nullable=False, index=True),
    Column("model", String(128), nullable=False),
    Column("request", LargeBinary, nullable=False, comment="JSON: what was sent"),
    Column("response", LargeBinary, nullable=False, comment="JSON: the validated answer"),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("latency_s", Float, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

episodes = Table(
    "episodes",
    metadata,
    Column("scope", String(128), primary_key=True, comment="one memory: a backtest or the live bot"),
    Column("pair", String(64), primary_key=True),
    Column("asof", BigInteger, primary_key=True, comment="close of the candle decided on"),
    Column("id", String(64), nullable=False, comment="decision id, as entry tags name it"),
    Column("due", BigInteger, nullable=False, comment="when the outcome will be known"),
    Column("known_at", BigInteger, comment="when the outcome became known; null before"),
    Column("state", LargeBinary, nullable=False, comment="float32 vector that recall compares"),
    Column("record", LargeBinary, nullable=False, comment="JSON: the episode without its outcome"),
    Column("outcome", LargeBinary, comment="JSON: the outcome"),
    Column("debate", LargeBinary, comment="JSON: the full debate, where one was held"),
    Column("invalid_from", BigInteger, comment="a human forgot it; null = recalled"),
    UniqueConstraint("scope", "id", name="uq_episodes_scope_id"),
    Index("ix_episodes_known", "scope", "pair", "known_at"),
)

spend = Table(
    "spend",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True, comment="wall clock when it was settled"),
    Column("run", String(160), nullable=False, index=True, comment="one start of a backtest or bot"),
    Column("decision", String(64), nullable=False, comment="decision id; empty if for none"),
    Column("role", String(64), nullable=False),
    Column("model", String(128), nullable=False),
    Column("endpoint", String(255), nullable=False, comment="address, without credentials"),
    Column("key", String(64), nullable=False, comment="content address of the question"),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cost_nano", BigInteger, comment="billionths of the price table's currency; null without a price"),
    Column(
        "basis",
        String(8),
        nullable=False,
        comment="usage = counted by the endpoint; bound = unknown, so the whole reservation",
    ),
)

variants = Table(
    "variants",
    metadata,
    Column("slot", String(96), primary_key=True, comment="what it may stand in for, as prompt/aggressive"),
    Column("id", String(64), primary_key=True, comment="sha256 of body"),
    Column("body", LargeBinary, nullable=False, comment="canonical JSON of the value"),
    Column("parents", LargeBinary, nullable=False, comment="JSON list: what it was derived from"),
    Column("origin", String(64), nullable=False, comment="what made it; empty = not said"),
    Column("created_at", BigInteger, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("scope", String(128), nullable=False, comment="run or bot that it is for; empty = all"),
    Column("slot", String(96), nullable=False),
    Column("variant", String(64), nullable=False, comment="id of the variant in that slot"),
    Column("replaced", String(64), nullable=False, comment="what was in force when it was proven"),
    Column("share", Float, nullable=False, comment="share of the slot that it takes, at most 1"),
    Column("known_at", BigInteger, nullable=False, comment="no decision before it uses the variant"),
    Column("evidence", LargeBinary, nullable=False, comment="JSON: why it was promoted"),
    Column("created_at", BigInteger, nullable=False),
    Column("withdrawn_at", BigInteger, index=True, comment="wall clock of its withdrawal; null = it stands"),
    Column("withdrawn_from", BigInteger, comment="no decision from it on uses the variant"),
    Column("withdrawn_reason", String(255), nullable=False),
    Index("ix_promotions_slot", "slot", "scope", "known_at"),
)

trials = Table(
    "trials",
    metadata,
    Column("study", String(128), primary_key=True, comment="what was searched, as prompts/aggressive"),
    Column("candidate", String(64), primary_key=True, comment="content address of what was tried"),
    Column("sample", String(64), primary_key=True, comment="sha256 of the occasions it was tried on"),
    Column("first_at", BigInteger, nullable=False, comment="first occasion"),
    Column("last_at", BigInteger, nullable=False, comment="last occasion"),
    Column("observations", Integer, nullable=False),
    Column("mean", Float, nullable=False, comment="mean result an occasion"),
    Column("deviation", Float, nullable=False, comment="sample standard deviation of it"),
    Column("results", LargeBinary, comment="float32 results in the order of the occasions"),
    Column("created_at", BigInteger, nullable=False),
)

memory_moves = Table(
    "memory_moves",
    metadata,
    Column("scope", String(128), primary_key=True),
    Column("pair", String(64), primary_key=True),
    Column("asof", BigInteger, primary_key=True, comment="the episode that moved"),
    Column("at", BigInteger, primary_key=True, comment="moment of the assessment"),
    Column("layer", String(16), nullable=False, comment="where to: short, long, episodic, archive"),
    Column("importance", Float, nullable=False, comment="1-10, as assessed at that moment"),
    Column("reason", String(255), nullable=False),
    Index("ix_memory_moves_at", "scope", "pair", "at"),
)

episode_vectors = Table(
    "episode_vectors",
    metadata,
    Column("scope", String(128), primary_key=True),
    Column("pair", String(64), primary_key=True),
    Column("asof", BigInteger, primary_key=True, comment="the episode described"),
    Column("kind", String(64), primary_key=True, comment="what made it, as text/<embedder>"),
    Column("known_at", BigInteger, nullable=False, comment="no query before it sees the vector"),
    Column("vector", LargeBinary, nullable=False, comment="float32, little endian"),
)

memory_generations = Table(
    "memory_generations",
    metadata,
    Column("scope", String(128), primary_key=True),
    Column("pair", String(64), primary_key=True),
    Column("kind", String(64), primary_key=True, comment="state, or as in episode_vectors"),
    Column("generation", BigInteger, nullable=False, comment="counts writes, for index files"),
)

notes = Table(
    "notes",
    metadata,
    Column("id", String(16), primary_key=True, comment="first digits of digest"),
    Column("digest", String(64), nullable=False, comment="sha256 of the words and what they are about"),
    Column("text", Text, nullable=False),
    Column("source", String(32), nullable=False, comment="human, reflection, ..."),
    Column("author", String(128), nullable=False),
    Column("trust", Float, nullable=False, comment="0-1; of two that say the same the higher stays"),
    Column("pair", String(64), comment="only for this pair; null = all"),
    Column("regime", String(32), comment="only in this regime; null = all"),
    Column("strategy", String(128), comment="only for this scope; null = all"),
    Column("pinned", Boolean, nullable=False),
    Column("event_at", BigInteger, nullable=False, comment="when it happened"),
    Column("known_at", BigInteger, nullable=False, index=True, comment="no query before it sees the note"),
    Column("valid_from", BigInteger, nullable=False, comment="true from"),
    Column("invalid_from", BigInteger, comment="no longer true from; null = still"),
    Column("corrects", String(16), comment="id of the note that this one replaces"),
    Column("created_at", BigInteger, nullable=False),
)

memory_log = Table(
    "memory_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("action", String(16), nullable=False, comment="teach, correct, pin, unpin, forget"),
    Column("scope", String(128), nullable=False, comment="of an episode; empty for a note"),
    Column("subject", String(64), nullable=False, comment="id of note or episode"),
    Column("author", String(128), nullable=False),
    Column("reason", String(255), nullable=False),
    Index("ix_memory_log_subject", "scope", "subject"),
)

refused_writes = Table(
    "refused_writes",
    metadata,
    Column("scope", String(128), primary_key=True, comment="empty for notes"),
    Column("rule", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("sample", String(255), nullable=False, comment="beginning of the newest one"),
)

text_vectors = Table(
    "text_vectors",
    metadata,
    Column("digest", String(64), primary_key=True, comment="sha256 of the text"),
    Column("embedder", String(128), primary_key=True),
    Column("vector", LargeBinary, nullable=False, comment="float32, little endian, length 1"),
)

graph_nodes = Table(
    "graph_nodes",
    metadata,
    Column("id", String(160), primary_key=True, comment="kind:name"),
    Column("kind", String(32), nullable=False),
    Column("name", String(128), nullable=False),
    Column("known_at", BigInteger, nullable=False),
)

graph_edges = Table(
    "graph_edges",
    metadata,
    Column("scope", String(128), primary_key=True, comment="empty = found in market data alone"),
    Column("source", String(160), primary_key=True),
    Column("target", String(160), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("known_at", BigInteger, primary_key=True),
    Column("event_at", BigInteger, nullable=False, comment="end of the data it was found in"),
    Column("valid_from", BigInteger, nullable=False),
    Column("invalid_from", BigInteger, comment="no longer found from; null = holds"),
    Column("weight", Float, nullable=False),
    Column("evidence", LargeBinary, nullable=False, comment="JSON: statistics and episode ids"),
    Index("ix_graph_edges_known_at", "known_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False, comment="as of when it last ran"),
    Column("result", LargeBinary, nullable=False, comment="JSON"),
)

risk_notes = Table(
    "risk_notes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("scope", String(128), nullable=False, comment="that of the decision's episode"),
    Column("run", String(128), nullable=False, comment="live, or backtest/<Strategy>: begins afresh"),
    Column("decision", String(64), nullable=False, comment="decision id, as entry tags name it"),
    Column("pair", String(64), nullable=False),
    Column("kind", String(16), nullable=False, comment="clamps, refusal or fill"),
    Column("known_at", BigInteger, nullable=False, comment="no query before it sees the note"),
    Column("data", LargeBinary, nullable=False, comment="JSON: each limit with its value"),
    Index("ix_risk_notes_decision", "scope", "decision"),
)
