"""Requests that join one another: flights, repeated requests, batches of an organisation; what the cache saved."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what single flight, Idempotency-Key and acting for an organisation need."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
