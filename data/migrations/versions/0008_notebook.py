"""What analysts keep: watchlists, theses, checklists, the date they work as of."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
