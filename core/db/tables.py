"""What is stored: every table with its columns and keys, as the migrations make them.

`tests/core/db/test_migrations.py` fails when these and the migrations differ. Policies, checks and indexes, and what a
column means, stand beside the tables in `data/migrations`.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.db import (
    audit_tables,
    billing_tables,
    credits_tables,
    gateway_tables,
    market_tables,
    models_tables,
    notebook_tables,
    ops_tables,
    oversight_tables,
    portfolio_tables,
    research_tables,
    screener_tables,
    surface_tables,
    usage_tables,
    verdicts_tables,
)
from core.db.schema import METADATA, Credits, Moment, Usd

__all__ = ["METADATA", "MORE_TABLES", "TENANT_TABLES"]

plan_limits = Table(
    "plan_limits",
    METADATA,
    Column("plan", Text, primary_key=True),
    Column("chat_queries_day", Integer),
    Column("portfolio_analyses_day", Integer),
    Column("sec_filings_month", Integer),
    Column("signal_validations_day", Integer),
    Column("requests_month", Integer),
    Column("requests_minute", Integer),
    Column("requests_hour", Integer),
    Column("signal_validations_minute", Integer),
    Column("concurrent_requests", Integer),
    Column("request_ceiling_usd", Usd),
    Column("checksum", Text, nullable=False),
)

organisations = Table(
    "organisations",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("plan", Text, ForeignKey("plan_limits.plan"), nullable=False),
    Column("zone", Text, nullable=False),
    Column("budget_usd_month", Usd),
    Column("created_at", Moment, nullable=False),
    Column("risk_free_rate", Numeric(7, 6), nullable=False),
    Column("benchmark", Text, nullable=False),
    Column("allowed_models", ARRAY(Text)),
    Column("allowed_providers", ARRAY(Text)),
    Column("default_model", Text),
    Column("asks_models", Boolean, nullable=False),
)

users = Table(
    "users",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("zone", Text),
    Column("is_operator", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("deactivated_at", Moment),
    Column("default_model", Text),
    Column("uses_router", Boolean, nullable=False),
    Column("uses_credits", Boolean, nullable=False),
    Column("gets_notices", Boolean, nullable=False),
    UniqueConstraint("email"),
)

memberships = Table(
    "memberships",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("budget_usd_month", Usd),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
)

sign_in_tickets = Table(
    "sign_in_tickets",
    METADATA,
    Column("ticket_hash", LargeBinary, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("method", Text, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("session_hash", LargeBinary, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("as_of", Date),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("session_hash"),
)

access_tokens = Table(
    "access_tokens",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Column("revoked_at", Moment),
    Column("scopes", ARRAY(Text), nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("token_hash"),
)

attempt_buckets = Table(
    "attempt_buckets",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("bucket", Moment, primary_key=True),
    Column("attempts", Integer, nullable=False),
)

sign_in_delays = Table(
    "sign_in_delays",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("blocked_until", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

one_time_links = Table(
    "one_time_links",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id")),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

invitations = Table(
    "invitations",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("invited_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    UniqueConstraint("org_id", "email"),
    UniqueConstraint("token_hash"),
)

openid_identities = Table(
    "openid_identities",
    METADATA,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment, nullable=False),
)

openid_answers = Table(
    "openid_answers",
    METADATA,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("expires_at", Moment, nullable=False),
)

address_meters = Table(
    "address_meters",
    METADATA,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("second_at", BigInteger, nullable=False),
    Column("counts", ARRAY(Integer), nullable=False),
)

member_meters = Table(
    "member_meters",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("day_start", Moment, nullable=False),
    Column("day_end", Moment, nullable=False),
    Column("month_start", Moment, nullable=False),
    Column("month_end", Moment, nullable=False),
    Column("chat_query_used", Integer, nullable=False),
    Column("chat_query_held", Integer, nullable=False),
    Column("portfolio_analysis_used", Integer, nullable=False),
    Column("portfolio_analysis_held", Integer, nullable=False),
    Column("sec_filing_used", Integer, nullable=False),
    Column("sec_filing_held", Integer, nullable=False),
    Column("request_used", Integer, nullable=False),
    Column("request_held", Integer, nullable=False),
    Column("charge_usd_used", Usd, nullable=False),
    Column("charge_usd_held", Usd, nullable=False),
    Column("early_cuts", Integer, nullable=False),
    Column("open_holds", Integer, nullable=False),
    Column("minute_at", BigInteger, nullable=False),
    Column("minute_counts", ARRAY(Integer), nullable=False),
    Column("hour_at", BigInteger, nullable=False),
    Column("hour_counts", ARRAY(Integer), nullable=False),
    Column("validation_at", BigInteger, nullable=False),
    Column("validation_counts", ARRAY(Integer), nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

org_meters = Table(
    "org_meters",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("day_start", Moment, nullable=False),
    Column("day_end", Moment, nullable=False),
    Column("month_start", Moment, nullable=False),
    Column("month_end", Moment, nullable=False),
    Column("signal_validation_used", Integer, nullable=False),
    Column("signal_validation_held", Integer, nullable=False),
    Column("charge_usd_used", Usd, nullable=False),
    Column("charge_usd_held", Usd, nullable=False),
    Column("open_batch_holds", Integer, nullable=False),
)

meter_periods = Table(
    "meter_periods",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("ends_at", Moment, nullable=False),
    Column("chat_query_used", Integer, nullable=False),
    Column("chat_query_held", Integer, nullable=False),
    Column("portfolio_analysis_used", Integer, nullable=False),
    Column("portfolio_analysis_held", Integer, nullable=False),
    Column("signal_validation_used", Integer, nullable=False),
    Column("signal_validation_held", Integer, nullable=False),
    Column("sec_filing_used", Integer, nullable=False),
    Column("sec_filing_held", Integer, nullable=False),
    Column("request_used", Integer, nullable=False),
    Column("request_held", Integer, nullable=False),
    Column("charge_usd_used", Usd, nullable=False),
    Column("charge_usd_held", Usd, nullable=False),
)

holds = Table(
    "holds",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("acts_as", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("cover", Text, nullable=False),
    Column("feature", Text),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("own_key", Boolean, nullable=False),
    Column("quota_held", Integer, nullable=False),
    Column("request_held", Integer, nullable=False),
    Column("held_usd", Usd, nullable=False),
    Column("credits_held", Credits, nullable=False),
    Column("quota_charged", Integer, nullable=False),
    Column("request_charged", Integer, nullable=False),
    Column("charged_usd", Usd, nullable=False),
    Column("credits_charged", Credits, nullable=False),
    Column("cost_usd", Usd, nullable=False),
    Column("day_start", Moment, nullable=False),
    Column("month_start", Moment, nullable=False),
    Column("org_day_start", Moment, nullable=False),
    Column("org_month_start", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("in_flight_at", Moment),
    Column("resolved_at", Moment),
    Column("resolution", Text),
    Column("request_id", Uuid, nullable=False),
    Column("conversation_id", Uuid),
    Column("idempotency_route", Text),
    Column("idempotency_key", Text),
    Column("body_sha256", LargeBinary),
    Column("flight_key", LargeBinary),
    Column("bound_usd", Usd, nullable=False),
    Column("followers", Integer, nullable=False),
    Column("followed_until", Moment),
    Column("key_id", Uuid),
    Column("key_month_start", Moment),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    ForeignKeyConstraint(["key_id", "org_id"], ["provider_keys.id", "provider_keys.org_id"]),
)

attempts = Table(
    "attempts",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("hold_id", Uuid, ForeignKey("holds.id"), nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_prompt_tokens", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("cost_usd", Usd, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("hold_id", "number"),
)

usage_log = Table(
    "usage_log",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("hold_id", Uuid, ForeignKey("holds.id")),
    Column("conversation_id", Uuid),
    Column("channel", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("feature", Text),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", Text),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_prompt_tokens", Integer, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("quarantine", Text),
    Column("cost_usd", Usd, nullable=False),
    Column("charged_usd", Usd, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("first_token_ms", Integer),
    Column("error_code", Text),
    Column("own_key", Boolean, nullable=False),
    Column("intent", Text),
    Column("complexity", Text),
    Column("prompt_version", Text),
    Column("experiment_id", Uuid),
    Column("arm", Text),
    Column("cache_level", Text),
    Column("saved_usd", Usd, nullable=False),
    UniqueConstraint("hold_id"),
)

kept_answers = Table(
    "kept_answers",
    METADATA,
    Column("hold_id", Uuid, ForeignKey("holds.id"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("value", JSONB, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

conversations = Table(
    "conversations",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("portfolio_id", Uuid),
    Column("branched_from", Uuid),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    ForeignKeyConstraint(
        ["portfolio_id", "org_id"], ["portfolios.id", "portfolios.org_id"], ondelete="SET NULL (portfolio_id)"
    ),
    UniqueConstraint("id", "org_id", "user_id"),
)

messages = Table(
    "messages",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("conversation_id", Uuid, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request_id", Uuid),
    Column("provider", Text),
    Column("model", Text),
    Column("is_cached", Boolean, nullable=False),
    Column("is_offline", Boolean, nullable=False),
    Column("is_estimated", Boolean, nullable=False),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cost_usd", Usd),
    Column("note", Text),
    Column("created_at", Moment, nullable=False),
    Column("evidence", JSONB),
    Column("route", Text),
    UniqueConstraint("id", "org_id", "user_id"),
)

cache_entries = Table(
    "cache_entries",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("org_id", Uuid),
    Column("user_id", Uuid),
    Column("task", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

function_version = Table(
    "function_version",
    METADATA,
    Column("sha256", Text, nullable=False),
)

MORE_TABLES = (
    audit_tables,
    billing_tables,
    credits_tables,
    gateway_tables,
    market_tables,
    models_tables,
    notebook_tables,
    ops_tables,
    oversight_tables,
    portfolio_tables,
    research_tables,
    screener_tables,
    surface_tables,
    usage_tables,
    verdicts_tables,
)
"""Modules whose tables belong to the same metadata."""

TENANT_TABLES = (
    organisations,
    users,
    *(table for table in METADATA.sorted_tables if {"org_id", "user_id"} & set(table.columns.keys())),
)
"""Every table whose rows belong to an organisation or a user: row-level security holds them apart."""
