"""Requests of strangers, counted by address for all processes."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the counters of addresses, and what finds the attempts of the last hour."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
