"""When an article was told, so that what was told the longest ago is forgotten first."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
