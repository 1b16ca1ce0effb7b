"""variants and promotions of any slot and scope in place of prompts and their promotions"""

import hashlib

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PROMPT = "prompt/"


def upgrade() -> None:
    op.create_table(
        "variants",
        sa.Column(
            "slot", sa.String(96), primary_key=True, comment="what it may stand in for, as prompt/aggressive"
        ),
        sa.Column("id", sa.String(64), primary_key=True, comment="sha256 of body"),
        sa.Column("body", sa.LargeBinary, nullable=False, comment="canonical JSON of the value"),
        sa.Column("parents", sa.LargeBinary, nullable=False, comment="JSON list: what it was derived from"),
        sa.Column("origin", sa.String(64), nullable=False, comment="what made it; empty = not said"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(128), nullable=False, comment="run or bot that it is for; empty = all"),
        sa.Column("slot", sa.String(96), nullable=False),
        sa.Column("variant", sa.String(64), nullable=False, comment="id of the variant in that slot"),
        sa.Column("replaced", sa.String(64), nullable=False, comment="what was in force when it was proven"),
        sa.Column("share", sa.Float, nullable=False, comment="share of the slot that it takes, at most 1"),
        sa.Column(
            "known_at", sa.BigInteger, nullable=False, comment="no decision before it uses the variant"
        ),
        sa.Column("evidence", sa.LargeBinary, nullable=False, comment="JSON: why it was promoted"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger, comment="wall clock of its withdrawal; null = it stands"),
        sa.Column("withdrawn_from", sa.BigInteger, comment="no decision from it on uses the variant"),
        sa.Column("withdrawn_reason", sa.String(255), nullable=False),
    )
    op.create_index("ix_promotions_withdrawn_at", "promotions", ["withdrawn_at"])
    op.create_index("ix_promotions_slot", "promotions", ["slot", "scope", "known_at"])
    _copy_prompts(op.get_bind())
    op.drop_table("prompt_promotions")
    op.drop_table("prompts")


def _copy_prompts(connection: sa.Connection) -> None:
    names: dict[str, str] = {}
    for row in connection.execute(sa.text("SELECT version, role, texts, parent, created_at FROM prompts")):
        body = _body(row.role, bytes(row.texts))
        found = hashlib.sha256(body).hexdigest()
        # A row that someone damaged keeps its name, so that whoever reads it can say which one it is.
        names[row.version] = found if found.startswith(row.version) else row.version
        connection.execute(
            sa.text(
                "INSERT INTO variants (slot, id, body, parents, origin, created_at) "
                "VALUES (:slot, :id, :body, :parents, 'tune-prompts', :created_at)"
            ),
            {
                "slot": PROMPT + row.role,
                "id": names[row.version],
                "body": body,
                "parents": orjson.dumps([row.parent] if row.parent else []),
                "created_at": row.created_at,
            },
        )
    columns = "role, version, replaced, known_at, evidence, created_at, withdrawn_at"
    for row in connection.execute(sa.text(f"SELECT {columns} FROM prompt_promotions ORDER BY id")):
        connection.execute(
            sa.text(
                "INSERT INTO promotions (scope, slot, variant, replaced, share, known_at, evidence, "
                "created_at, withdrawn_at, withdrawn_from, withdrawn_reason) VALUES ('', :slot, :variant, "
                ":replaced, 1.0, :known_at, :evidence, :created_at, :withdrawn_at, :withdrawn_from, '')"
            ),
            {
                "slot": PROMPT + row.role,
                "variant": names.get(row.version, row.version),
                "replaced": row.replaced,
                "known_at": row.known_at,
                "evidence": bytes(row.evidence),
                "created_at": row.created_at,
                "withdrawn_at": row.withdrawn_at,
                # A rollback took a promotion back for decisions at any time.
                "withdrawn_from": None if row.withdrawn_at is None else row.known_at,
            },
        )


def _body(role: str, texts: bytes) -> bytes:
    try:
        return orjson.dumps([role, orjson.loads(texts)], option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        return texts


def downgrade() -> None:
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
    connection = op.get_bind()
    found = sa.text("SELECT slot, id, body, parents, created_at FROM variants WHERE slot LIKE 'prompt/%'")
    for row in connection.execute(found):
        parents = orjson.loads(bytes(row.parents))
        connection.execute(
            sa.text(
                "INSERT INTO prompts (version, role, texts, parent, created_at) "
                "VALUES (:version, :role, :texts, :parent, :created_at)"
            ),
            {
                "version": row.id[:16],
                "role": row.slot[len(PROMPT) :],
                "texts": orjson.dumps(orjson.loads(bytes(row.body))[1]),
                "parent": parents[0][:16] if parents else None,
                "created_at": row.created_at,
            },
        )
    # The old table knows no scope: what held for one run alone must not hold for all of them afterwards.
    columns = "slot, variant, replaced, known_at, evidence, created_at, withdrawn_at"
    promoted = f"SELECT {columns} FROM promotions WHERE slot LIKE 'prompt/%' AND scope = '' ORDER BY id"
    for row in connection.execute(sa.text(promoted)):
        connection.execute(
            sa.text(
                "INSERT INTO prompt_promotions (role, version, replaced, known_at, evidence, created_at, "
                "withdrawn_at) VALUES (:role, :version, :replaced, :known_at, :evidence, :created_at, "
                ":withdrawn_at)"
            ),
            {
                "role": row.slot[len(PROMPT) :],
                "version": row.variant[:16],
                "replaced": row.replaced[:16],
                "known_at": row.known_at,
                "evidence": bytes(row.evidence),
                "created_at": row.created_at,
                "withdrawn_at": row.withdrawn_at,
            },
        )
    op.drop_table("promotions")
    op.drop_table("variants")
