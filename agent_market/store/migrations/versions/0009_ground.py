"""summary columns of episodes, jobs by scope, mirrored trades and fills, alerts"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BATCH = 500
DEPTH_LIMIT = 10.0
DEFAULT_SCOPE = "live"
BASELINE_RUNS = ("backtest/AgentMarketEqualWeights", "backtest/AgentMarketQuantOnly")
SUMMARY = (
    sa.Column("depth", sa.Float, comment="of the decision, before risk"),
    sa.Column("allowed", sa.Float, comment="depth after risk"),
    sa.Column("action", sa.String(8), comment="of the decision: buy, sell, hold"),
    sa.Column("confidence", sa.Float),
    sa.Column("regime", sa.String(64)),
    sa.Column("market_return", sa.Float, comment="of the outcome; null before it is known"),
    sa.Column("reward", sa.Float, comment="of the allowed depth after costs; null before it is known"),
    sa.Column("fate", sa.String(16), comment="traded, refused, clamped, hold or not_traded; see store.fates"),
    sa.Column("mix", sa.String(64), comment="variant of the mix that was in force; null = the default"),
)


def upgrade() -> None:
    _notes_of_baselines()
    for column in SUMMARY:
        op.add_column("episodes", column._copy())
    _fill_summaries(op.get_bind())
    op.create_index("ix_episodes_asof", "episodes", ["scope", "asof"])
    op.create_index("ix_episodes_fate", "episodes", ["scope", "fate", "asof"])
    op.create_index(
        "ix_episodes_debated",
        "episodes",
        ["scope", "asof"],
        sqlite_where=sa.text("debate IS NOT NULL"),
        postgresql_where=sa.text("debate IS NOT NULL"),
    )
    _jobs_by_scope()
    _trades_and_fills()
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(128), nullable=False),
        sa.Column(
            "process", sa.String(64), nullable=False, comment="one start of a bot; `number` counts in it"
        ),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("level", sa.String(16), nullable=False, comment="info, warning or critical"),
        sa.Column("topic", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False, comment="JSON"),
        sa.Column("resolved_at", sa.BigInteger, comment="null = open"),
        sa.Column("resolved_by", sa.String(128), comment="a person, or what made it end"),
        sa.UniqueConstraint("scope", "process", "number", name="uq_alerts_number"),
    )
    op.create_index("ix_alerts_open", "alerts", ["scope", "resolved_at", "id"])


def downgrade() -> None:
    for table in ("alerts", "fills", "trades"):
        op.drop_table(table)
    for index in ("ix_episodes_debated", "ix_episodes_fate", "ix_episodes_asof"):
        op.drop_index(index, "episodes")
    for column in reversed(SUMMARY):
        op.drop_column("episodes", column.name)
    op.drop_column("risk_notes", "baseline")
    op.rename_table("jobs", "jobs_by_scope")
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, comment="as of when it last ran"),
        sa.Column("result", sa.LargeBinary, nullable=False, comment="JSON"),
    )
    op.execute(
        "INSERT INTO jobs (name, at, result) SELECT CASE WHEN scope = '' THEN name ELSE 'job/' || name END, "
        f"at, result FROM jobs_by_scope WHERE scope IN ('', '{DEFAULT_SCOPE}')"
    )
    op.drop_table("jobs_by_scope")


def _notes_of_baselines() -> None:
    op.add_column(
        "risk_notes",
        sa.Column(
            "baseline",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="of a baseline over the same decisions: says nothing of their fate",
        ),
    )
    notes = sa.table("risk_notes", sa.column("run", sa.String), sa.column("baseline", sa.Boolean))
    op.execute(notes.update().where(notes.c.run.in_(BASELINE_RUNS)).values(baseline=True))


def _fill_summaries(connection: sa.Connection) -> None:
    """In batches: a store may hold more episodes than memory takes."""
    table = sa.table(
        "episodes", *(sa.column(name) for name in ("scope", "pair", "asof", "record", "outcome"))
    )
    columns = [column.name for column in SUMMARY if column.name != "mix"]
    change = sa.text(
        f"UPDATE episodes SET {', '.join(f'{name} = :{name}' for name in columns)} "
        "WHERE scope = :scope AND pair = :pair AND asof = :asof"
    )
    fates = _noted_fates(connection)
    for rows in _batches(connection, table):
        found = [summary for row in rows if (summary := _summary(row, fates)) is not None]
        if found:
            connection.execute(change, found)


def _noted_fates(connection: sa.Connection) -> dict[tuple[str, str], str]:
    notes = sa.table(
        "risk_notes",
        *(sa.column(name) for name in ("scope", "decision", "kind")),
        sa.column("baseline", sa.Boolean),
    )
    query = sa.select(notes.c.scope, notes.c.decision, notes.c.kind).where(
        notes.c.kind.in_(("fill", "refusal")), notes.c.baseline.is_(False)
    )
    fates: dict[tuple[str, str], str] = {}
    for scope, decision, kind in connection.execute(query.distinct()):
        if kind == "fill" or (scope, decision) not in fates:
            fates[scope, decision] = "traded" if kind == "fill" else "refused"
    return fates


def _batches(connection: sa.Connection, table: Any) -> Iterator[list[Any]]:
    key = sa.tuple_(table.c.scope, table.c.pair, table.c.asof)
    query = sa.select(table).order_by(table.c.scope, table.c.pair, table.c.asof).limit(BATCH)
    rows = connection.execute(query).all()
    while rows:
        yield list(rows)
        last = rows[-1]
        rows = connection.execute(query.where(key > (last.scope, last.pair, last.asof))).all()


def _summary(row: Any, fates: dict[tuple[str, str], str]) -> dict[str, Any] | None:
    """None for a row that cannot be read: it must not keep a store from being opened."""
    try:
        body = orjson.loads(row.record)
        decision, verdict = body["decision"], body["verdict"]
        outcome = None if row.outcome is None else orjson.loads(row.outcome)
        size = verdict["depth"] / DEPTH_LIMIT
        fate = fates.get((row.scope, decision["id"]))
        if fate is None and decision["action"] == "hold":
            fate = "hold"
        if fate is None:
            fate = "clamped" if verdict["action"] == "hold" else "not_traded"
        return {
            "scope": row.scope,
            "pair": row.pair,
            "asof": row.asof,
            "depth": decision["depth"],
            "allowed": verdict["depth"],
            "action": decision["action"],
            "confidence": decision["confidence"],
            "regime": body["view"]["regime"],
            "market_return": outcome and outcome["market_return"],
            "reward": outcome and outcome["market_return"] * size - outcome["cost"] * abs(size),
            "fate": fate,
        }
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _jobs_by_scope() -> None:
    """Runs become the default scope's: bots of several scopes overwrote each other's."""
    op.rename_table("jobs", "jobs_by_name")
    op.create_table(
        "jobs",
        sa.Column(
            "scope", sa.String(128), primary_key=True, comment="of the bot; empty = of the whole store"
        ),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, comment="as of when it last ran"),
        sa.Column("result", sa.LargeBinary, nullable=False, comment="JSON"),
    )
    op.execute(
        "INSERT INTO jobs (scope, name, at, result) "
        f"SELECT CASE WHEN name LIKE 'job/%' THEN '{DEFAULT_SCOPE}' ELSE '' END, "
        "CASE WHEN name LIKE 'job/%' THEN substr(name, 5) ELSE name END, at, result FROM jobs_by_name"
    )
    op.drop_table("jobs_by_name")


def _trades_and_fills() -> None:
    op.create_table(
        "trades",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("trade_id", sa.BigInteger, primary_key=True, autoincrement=False, comment="freqtrade's id"),
        sa.Column(
            "opened_at",
            sa.BigInteger,
            primary_key=True,
            autoincrement=False,
            comment="part of the key: freqtrade counts from 1 again in a new trades database",
        ),
        sa.Column("pair", sa.String(64), nullable=False),
        sa.Column("side", sa.String(8), nullable=False, comment="long or short"),
        sa.Column("closed_at", sa.BigInteger, comment="null = open"),
        sa.Column("open_rate", sa.Float, nullable=False, comment="mean price of the entries"),
        sa.Column("close_rate", sa.Float),
        sa.Column(
            "stake",
            sa.Float,
            nullable=False,
            comment="stake currency; of the newest state, without leverage",
        ),
        sa.Column("leverage", sa.Float, nullable=False),
        sa.Column("amount", sa.Float, nullable=False, comment="base currency"),
        sa.Column("profit", sa.Float, comment="stake currency, after fees; realized so far while open"),
        sa.Column("ratio", sa.Float, comment="profit over stake; null while open"),
        sa.Column("costs", sa.Float, nullable=False, comment="fees and funding, stake currency"),
        sa.Column("exit_reason", sa.String(255), nullable=False),
        sa.Column("tag", sa.String(255), nullable=False, comment="entry tag"),
        sa.Column("decision", sa.String(64), comment="decision id that the entry tag names; null = none"),
        sa.Column("mix", sa.String(64), comment="variant of the mix in force at the entry"),
        sa.Column("plan", sa.String(64), comment="plan in force at the entry"),
        sa.Column("mfe", sa.Float, comment="best price on the way against the open rate, a fraction"),
        sa.Column(
            "mae",
            sa.Float,
            comment="worst price on the way against the open rate, a fraction, below 0 = lost",
        ),
        sa.Column("expected", sa.Float, comment="depth allowed by the decision over 10, signed"),
        sa.Column("label", sa.String(32), comment="what a review called it"),
    )
    op.create_index("ix_trades_closed", "trades", ["scope", "closed_at"])
    op.create_index("ix_trades_decision", "trades", ["scope", "decision"])
    op.create_table(
        "fills",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("order_id", sa.String(255), primary_key=True, comment="the exchange's"),
        sa.Column("trade_id", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False, comment="of the trade; both name it"),
        sa.Column("pair", sa.String(64), nullable=False),
        sa.Column("side", sa.String(8), nullable=False, comment="buy or sell"),
        sa.Column("part", sa.String(8), nullable=False, comment="entry or exit"),
        sa.Column("planned", sa.Float, nullable=False, comment="price that the order asked for"),
        sa.Column("reached", sa.Float, nullable=False, comment="mean price of the fill"),
        sa.Column("size", sa.Float, nullable=False, comment="base currency"),
        sa.Column("ordered_at", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False, comment="when it was filled"),
        sa.Column("seconds", sa.Float, nullable=False, comment="from order to fill"),
        sa.Column("arrival_mid", sa.Float, comment="middle of the book when the order was placed"),
        sa.Column("spread", sa.Float, comment="of the book then, a fraction of the middle"),
        sa.Column("book_depth", sa.Float, comment="stake currency within reach then"),
        sa.Column("arm", sa.String(64), comment="execution variant that placed it"),
        sa.Column("simulated", sa.Boolean, nullable=False, comment="a dry-run's"),
    )
    op.create_index("ix_fills_at", "fills", ["scope", "pair", "at"])
    op.create_index("ix_fills_trade", "fills", ["scope", "trade_id", "opened_at"])
