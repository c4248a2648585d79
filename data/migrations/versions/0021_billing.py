"""Customers, payments and subscriptions of Stripe, and its events."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables and columns."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
