"""Alerts of organisations and of the installation, their channels and deliveries."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables and columns."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
