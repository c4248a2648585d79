"""The tables around questions: templates, attachments, reactions, and large requests."""

from __future__ import annotations

from sqlalchemy import ARRAY, Column, ForeignKeyConstraint, Integer, LargeBinary, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment, Usd

prompt_templates = Table(
    "prompt_templates",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("sharing", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("variables", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("used_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

shipped_template_uses = Table(
    "shipped_template_uses",
    METADATA,
    Column("template_id", Uuid, primary_key=True),
    Column("used", Integer, nullable=False),
    Column("used_at", Moment, nullable=False),
)

attachments = Table(
    "attachments",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("conversation_id", Uuid),
    Column("message_id", Uuid),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
    Column("image", LargeBinary),
    Column("width", Integer),
    Column("height", Integer),
    Column("pages", Integer),
    Column("notes", ARRAY(Text), nullable=False),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    ForeignKeyConstraint(
        ["conversation_id", "org_id", "user_id"],
        ["conversations.id", "conversations.org_id", "conversations.user_id"],
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["message_id", "org_id", "user_id"], ["messages.id", "messages.org_id", "messages.user_id"], ondelete="CASCADE"
    ),
)

message_reactions = Table(
    "message_reactions",
    METADATA,
    Column("message_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("reaction", Text),
    Column("note", Text),
    Column("changed_at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["message_id", "org_id", "user_id"], ["messages.id", "messages.org_id", "messages.user_id"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

large_requests = Table(
    "large_requests",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("total", Integer, nullable=False),
    Column("body_sha256", LargeBinary),
    Column("created_at", Moment, nullable=False),
    Column("ended_at", Moment),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("id", "org_id", "user_id"),
)

large_request_items = Table(
    "large_request_items",
    METADATA,
    Column("request_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("input", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("result", JSONB),
    Column("cost_usd", Usd, nullable=False),
    Column("error_code", Text),
    Column("error", Text),
    Column("ended_at", Moment),
    ForeignKeyConstraint(
        ["request_id", "org_id", "user_id"],
        ["large_requests.id", "large_requests.org_id", "large_requests.user_id"],
        ondelete="CASCADE",
    ),
)
