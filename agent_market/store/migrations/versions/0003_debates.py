"""full debates, beside the episode they led to"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "episodes",
        sa.Column("debate", sa.LargeBinary, comment="JSON: the full debate, where one was held"),
    )


def downgrade() -> None:
    op.drop_column("episodes", "debate")
