"""The house: tenants, sign-in, plans, metering, conversations, cache."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table of the first version, with its policies and grants."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
