"""Large requests over HTTP: what they are given as, and how they are told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.http.models import Answer, Body, Moment, Money, Tokens

ItemState = Literal["waiting", "running", "done", "failed"]


class LargeParameters(Body):
    """How each item is asked."""

    model: str | None = Field(None, min_length=1)
    """Id of a model, or "auto"."""
    max_tokens: int = Field(1024, ge=1)
    """Of completions: most tokens of an answer."""
    temperature: float = Field(0.7, ge=0, le=2)
    json_schema: dict[str, Any] | None = None
    """Of completions: a JSON Schema that each answer has to follow."""
    dimensions: int | None = Field(None, ge=1, le=10_000)
    """Of embeddings: length of the vectors."""


class NewLargeRequest(Body):
    """Many prompts or texts."""

    kind: Literal["completion", "embedding"]
    items: list[Any]
    """1 to 10,000 texts: prompts, or what is turned into vectors."""
    parameters: LargeParameters = LargeParameters()


class LargeRequestHead(Answer):
    """How far a large request is."""

    id: str
    kind: str
    status: ItemState
    """`failed` where every item did; otherwise `done` at its end."""
    done: int
    failed: int
    waiting: int
    """With those that are being asked."""
    total: int
    cost_usd: Money
    """What the items that are done were charged."""
    created_at: Moment
    ended_at: Moment | None


class StartedLargeRequest(LargeRequestHead):
    """A large request that was taken."""

    job_id: str | None
    """The job that it begins with, for `GET /api/jobs/{id}`; null where none had to be started."""


class ResultsQuery(BaseModel):
    """Which items."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    state: ItemState | None = None
    cursor: str | None = Field(None, pattern=r"^[0-9]{1,6}$")
    """`next_cursor` of the page before."""
    limit: int = Field(100, ge=1, le=1_000)


class LargeResult(Answer):
    """What came of an item; what is not known of it is null."""

    number: int
    """From 1, in the order in which the items were given."""
    state: ItemState
    tries: int
    """How often it was begun."""
    text: str | None
    """The answer to a prompt."""
    vector: list[float] | None
    """Of a text."""
    model: str | None
    provider: str | None
    cached: bool | None
    offline: bool | None
    usage: Tokens | None
    estimated: bool | None
    cost_usd: Money
    error_code: str | None
    """As a single call would have been answered."""
    error: str | None


class LargeResults(Answer):
    """Items of a large request, in their order."""

    id: str
    kind: str
    data: list[LargeResult]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null where there is none."""
