"""Sources and quotes: allowances and breakers that all processes share, and the last quote of each symbol."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
