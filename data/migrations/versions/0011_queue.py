"""The queue of jobs, and what is known of each."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
