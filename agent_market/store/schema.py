"""Tables: the authoritative schema of the store. Migrations under `store/migrations` create them.

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
    false,
    text,
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
    # What lists filter, sort and show, out of the JSON; null only where an old row could not be read.
    Column("depth", Float, comment="of the decision, before risk"),
    Column("allowed", Float, comment="depth after risk"),
    Column("action", String(8), comment="of the decision: buy, sell, hold"),
    Column("confidence", Float),
    Column("regime", String(64)),
    Column("market_return", Float, comment="of the outcome; null before it is known"),
    Column("reward", Float, comment="of the allowed depth after costs; null before it is known"),
    Column("fate", String(16), comment="traded, refused, clamped, hold or not_traded; see store.fates"),
    Column("mix", String(64), comment="variant of the mix that was in force; null = the default"),
    UniqueConstraint("scope", "id", name="uq_episodes_scope_id"),
    Index("ix_episodes_known", "scope", "pair", "known_at"),
    # By (scope, pair, asof) the primary key is the index.
    Index("ix_episodes_asof", "scope", "asof"),
    Index("ix_episodes_fate", "scope", "fate", "asof"),
    Index(
        "ix_episodes_debated",
        "scope",
        "asof",
        sqlite_where=text("debate IS NOT NULL"),
        postgresql_where=text("debate IS NOT NULL"),
    ),
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
    Column("scope", String(128), primary_key=True, comment="of the bot; empty = of the whole store"),
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
    Column(
        "baseline",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="of a baseline over the same decisions: says nothing of their fate",
    ),
    Index("ix_risk_notes_decision", "scope", "decision"),
)

trades = Table(
    "trades",
    metadata,
    Column("scope", String(128), primary_key=True),
    Column("trade_id", BigInteger, primary_key=True, autoincrement=False, comment="freqtrade's id"),
    Column(
        "opened_at",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="part of the key: freqtrade counts from 1 again in a new trades database",
    ),
    Column("pair", String(64), nullable=False),
    Column("side", String(8), nullable=False, comment="long or short"),
    Column("closed_at", BigInteger, comment="null = open"),
    Column("open_rate", Float, nullable=False, comment="mean price of the entries"),
    Column("close_rate", Float),
    Column("stake", Float, nullable=False, comment="stake currency; of the newest state, without leverage"),
    Column("leverage", Float, nullable=False),
    Column("amount", Float, nullable=False, comment="base currency"),
    Column("profit", Float, comment="stake currency, after fees; realized so far while open"),
    Column("ratio", Float, comment="profit over stake; null while open"),
    Column("costs", Float, nullable=False, comment="fees and funding, stake currency"),
    Column("exit_reason", String(255), nullable=False),
    Column("tag", String(255), nullable=False, comment="entry tag"),
    Column("decision", String(64), comment="decision id that the entry tag names; null = none"),
    Column("mix", String(64), comment="variant of the mix in force at the entry"),
    Column("plan", String(64), comment="plan in force at the entry"),
    Column("mfe", Float, comment="best price on the way against the open rate, a fraction"),
    Column("mae", Float, comment="worst price on the way against the open rate, a fraction, below 0 = lost"),
    Column("expected", Float, comment="depth allowed by the decision over 10, signed"),
    Column("label", String(32), comment="what a review called it"),
    Index("ix_trades_closed", "scope", "closed_at"),
    Index("ix_trades_decision", "scope", "decision"),
)

fills = Table(
    "fills",
    metadata,
    Column("scope", String(128), primary_key=True),
    Column("order_id", String(255), primary_key=True, comment="the exchange's"),
    Column("trade_id", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False, comment="of the trade; both name it"),
    Column("pair", String(64), nullable=False),
    Column("side", String(8), nullable=False, comment="buy or sell"),
    Column("part", String(8), nullable=False, comment="entry or exit"),
    Column("planned", Float, nullable=False, comment="price that the order asked for"),
    Column("reached", Float, nullable=False, comment="mean price of the fill"),
    Column("size", Float, nullable=False, comment="base currency"),
    Column("ordered_at", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False, comment="when it was filled"),
    Column("seconds", Float, nullable=False, comment="from order to fill"),
    Column("arrival_mid", Float, comment="middle of the book when the order was placed"),
    Column("spread", Float, comment="of the book then, a fraction of the middle"),
    Column("book_depth", Float, comment="stake currency within reach then"),
    Column("arm", String(64), comment="execution variant that placed it"),
    Column("simulated", Boolean, nullable=False, comment="a dry-run's"),
    Index("ix_fills_at", "scope", "pair", "at"),
    Index("ix_fills_trade", "scope", "trade_id", "opened_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("scope", String(128), nullable=False),
    Column("process", String(64), nullable=False, comment="one start of a bot; `number` counts in it"),
    Column("number", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("level", String(16), nullable=False, comment="info, warning or critical"),
    Column("topic", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("data", LargeBinary, nullable=False, comment="JSON"),
    Column("resolved_at", BigInteger, comment="null = open"),
    Column("resolved_by", String(128), comment="a person, or what made it end"),
    UniqueConstraint("scope", "process", "number", name="uq_alerts_number"),
    Index("ix_alerts_open", "scope", "resolved_at", "id"),
)
