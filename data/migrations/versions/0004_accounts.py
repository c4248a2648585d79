"""Accounts: joining, belonging and leaving; what a user and an organisation set for themselves."""

from pathlib import Path

from alembic import op

from core.db.migrate import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds links, invitations, delays, identities, scopes and settings."""
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql"))
