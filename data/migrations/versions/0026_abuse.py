"""Where tokens are used from, and files of bulk changes."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
