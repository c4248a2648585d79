"""When a user was shown around."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables and columns."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
