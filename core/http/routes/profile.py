"""`GET`, `PATCH /api/profile`: what the caller set for themselves."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from core.accounts.profiles import AUTO, Profile
from core.http.authentication import ManagingRoute, SignedIn
from core.http.context import Bench, Threads, in_thread
from core.http.models import Notifications, ProfileAnswer, ProfileChange
from core.principal import Principal, Scope
from core.workbench import Workbench

router = APIRouter(route_class=ManagingRoute, tags=["Profile"])


@router.get("/profile", summary="The caller's profile")
async def profile(principal: SignedIn, bench: Bench, threads: Threads) -> ProfileAnswer:
    """What the caller set for themselves, in every organisation, and where this token belongs."""
    kept = await in_thread(partial(bench.profiles.profile, principal), threads)
    return _answer(kept, principal)


@router.patch("/profile", summary="Change the caller's profile")
async def change_profile(change: ProfileChange, principal: SignedIn, bench: Bench, threads: Threads) -> ProfileAnswer:
    """Changes what is given and leaves the rest; takes a token with the scope `admin`."""
    kept = await in_thread(partial(_changed, bench, principal, change), threads)
    return _answer(kept, principal)


def _changed(bench: Workbench, principal: Principal, change: ProfileChange) -> Profile:
    given = change.model_dump(include=change.model_fields_set, exclude={"notifications"})
    if change.notifications is not None:
        given["gets_notices"] = change.notifications.email
    renamed = {"time_zone": "zone", "router": "uses_router", "use_credits": "uses_credits"}
    return bench.profiles.change(principal, {renamed.get(name, name): value for name, value in given.items()})


def _answer(kept: Profile, principal: Principal) -> ProfileAnswer:
    return ProfileAnswer(
        user_id=str(principal.user_id),
        email=principal.email,
        name=kept.name,
        time_zone=kept.zone,
        default_model=kept.default_model or AUTO,
        router=kept.uses_router,
        use_credits=kept.uses_credits,
        notifications=Notifications(email=kept.gets_notices),
        organisation=principal.org_name,
        organisation_id=str(principal.org_id),
        role=principal.role.value,
        scopes=[scope.value for scope in Scope if scope in principal.scopes],
    )
