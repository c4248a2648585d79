"""Research around holdings, and what answers rest on."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
