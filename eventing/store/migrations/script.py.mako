"""${message}"""

from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
additive = False  # True if the release before can work with this schema; see 0004_schema_history.py


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
