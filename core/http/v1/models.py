"""`GET /v1/models`: what the caller may ask for by name."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter

from core.ai.router import AUTO
from core.errors import NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.routes.models import refusals
from core.http.v1.answers import model_row
from core.principal import Principal
from core.workbench import Workbench

OWNER = "assay"
"""Whose `auto` is."""

router = APIRouter(route_class=SignedInRoute, tags=["OpenAI wire format"])


@router.get("/models", summary="The models that the caller may ask by name")
async def models(principal: SignedIn, bench: Bench, threads: Threads) -> dict[str, Any]:
    """The models that the caller may ask, and `auto`, which chooses among them."""
    owners = await in_thread(partial(_owners, bench, principal), threads)
    return {"object": "list", "data": [model_row(name, owner) for name, owner in owners.items()]}


@router.get("/models/{name:path}", summary="One of them")
async def model(name: str, principal: SignedIn, bench: Bench, threads: Threads) -> dict[str, Any]:
    """One of them.

    Raises:
        NotFound: there is none of that name that the caller may ask.
    """
    owner = (await in_thread(partial(_owners, bench, principal), threads)).get(name)
    if owner is None:
        raise NotFound("There is no model of that name that you may ask. GET /v1/models lists those that you may.")
    return model_row(name, owner)


def _owners(bench: Workbench, principal: Principal) -> dict[str, str]:
    why_not = refusals(bench, principal)
    asked = (model for model in bench.catalogue.all() if why_not(model) is None)
    return {AUTO: OWNER, **{model.id: model.provider for model in asked}}
