"""`/api/screener`: figures, presets, saved screens, what meets a screen, and the signals of a scan."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.db.scans_dao import SignalRow, SignalsWanted
from core.errors import Conflict, InvalidRequest, NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.screener_models import (
    MAX_MATCHES,
    MAX_SYMBOL_CHARS,
    ChangedScreen,
    Choice,
    CopiedScreen,
    FieldAnswer,
    FieldsAnswer,
    MatchAnswer,
    MatchesAnswer,
    MatchesWanted,
    NewScreen,
    PresetAnswer,
    PresetsAnswer,
    SavedScreenAnswer,
    ScanAnswer,
    ScreenHead,
    ScreensAnswer,
    ScreenVersionAnswer,
    ScreenVersionsAnswer,
    SignalAnswer,
    SignalsAnswer,
    SkipAnswer,
    money,
)
from core.market.symbols import checked_symbol
from core.principal import Principal, Scope
from core.screener.criteria import MAX_CONDITIONS, MAX_DEPTH, Screen, checked, from_json, matching, spoken, to_json
from core.screener.fields import FIELDS, OPERATOR_LABELS, Unit
from core.screener.fields import Field as Figure
from core.screener.presets import Preset
from core.screener.scans import Scan
from core.screener.screens import SavedScreen, ScreenVersion
from core.workbench import Workbench

if TYPE_CHECKING:
    import polars as pl

PATH = "/screener/screens"
NO_SCREEN = "There is no such screen; it may have been deleted, or is no longer shared with you."


class _LookingRoute(SignedInRoute):
    """A route whose POST changes nothing: its body is a question too long for an address."""

    changes = Scope.READ


router = APIRouter()
routes = APIRouter(route_class=SignedInRoute, tags=["Screener"])
looks = APIRouter(route_class=_LookingRoute, tags=["Screener"])


class SignalsQuery(BaseModel):
    """Which signals."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    universe: str | None = Field(None, max_length=100)
    """Id of a universe; the default one where none is named."""
    date: str | None = Field(None, max_length=10)
    """As of this day, such as 2026-01-31; the newest scan up to it is told."""
    type: str | None = Field(None, max_length=60)
    """Id of a type of signal."""
    min_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    """Those whose confidence is known and at least this."""
    symbol: str | None = Field(None, max_length=MAX_SYMBOL_CHARS)
    cursor: str | None = None
    """`next_cursor` of the page before."""
    limit: int = Field(100, ge=1, le=MAX_MATCHES - 1)


@routes.get("/screener/fields", summary="What a screen may ask for")
async def screener_fields(_principal: SignedIn) -> FieldsAnswer:
    """Every figure with its unit, range, operators and formula: the one table behind pages, checks and this API."""
    return FieldsAnswer(
        fields=[_field(field) for field in FIELDS.values()],
        operators=[Choice(id=operator.value, label=label) for operator, label in OPERATOR_LABELS.items()],
        max_conditions=MAX_CONDITIONS,
        max_depth=MAX_DEPTH,
    )


@routes.get("/screener/presets", summary="Screens that analysts know by name")
async def screener_presets(_principal: SignedIn, bench: Bench) -> PresetsAnswer:
    """Each with the sentence that explains it and its usual source."""
    return PresetsAnswer(presets=[_preset(preset) for preset in bench.screener.screens.presets.values()])


@routes.get(PATH, summary="Saved screens")
async def list_screens(principal: SignedIn, bench: Bench, threads: Threads) -> ScreensAnswer:
    """The caller's own first, then those that are shared with their role."""
    found = await in_thread(partial(bench.screener.screens.all, principal), threads)
    return ScreensAnswer(screens=[ScreenHead.model_validate(_head(saved)) for saved in found])


@routes.post(PATH, status_code=201, summary="Save a screen")
async def create_screen(given: NewScreen, principal: SignedIn, bench: Bench, threads: Threads) -> SavedScreenAnswer:
    """The caller's own, shared or not; at most 200 of one person."""
    screen = from_json(given.screen)
    create = partial(bench.screener.screens.create, principal, given.name, screen, shared_with=given.shared_with)
    return _saved(await in_thread(create, threads))


@routes.get(f"{PATH}/{{screen_id}}", summary="A saved screen")
async def get_screen(screen_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> SavedScreenAnswer:
    """One that the caller does not see is not found."""
    return _saved(await in_thread(partial(bench.screener.screens.get, principal, _id(screen_id)), threads))


@routes.get(f"{PATH}/{{screen_id}}/versions", summary="Every version of a saved screen")
async def screen_versions(screen_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> ScreenVersionsAnswer:
    """The newest first; nothing that was ever saved of it is overwritten."""
    found = await in_thread(partial(bench.screener.screens.versions, principal, _id(screen_id)), threads)
    return ScreenVersionsAnswer(versions=[_version(each) for each in found])


@routes.put(f"{PATH}/{{screen_id}}", summary="Change a saved screen")
async def change_screen(
    screen_id: str, given: ChangedScreen, principal: SignedIn, bench: Bench, threads: Threads
) -> SavedScreenAnswer:
    """It becomes what is given, whole; `conflict` where somebody changed it after the version that was read."""
    change = partial(
        bench.screener.screens.change,
        principal,
        _id(screen_id),
        name=given.name,
        screen=from_json(given.screen),
        shared_with=given.shared_with,
        after=given.after,
    )
    return _saved(await in_thread(change, threads))


@routes.post(f"{PATH}/{{screen_id}}/copy", status_code=201, summary="Copy a saved screen")
async def copy_screen(
    screen_id: str, given: CopiedScreen, principal: SignedIn, bench: Bench, threads: Threads
) -> SavedScreenAnswer:
    """Into one of the caller's own, shared with nobody."""
    return _saved(await in_thread(partial(bench.screener.screens.copy, principal, _id(screen_id), given.name), threads))


@routes.delete(f"{PATH}/{{screen_id}}", status_code=204, summary="Delete a saved screen")
async def delete_screen(screen_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """With all its versions, for good: one's own, or as an owner or admin a shared one."""
    await in_thread(partial(bench.screener.screens.delete, principal, _id(screen_id)), threads)


@looks.post("/screener/matches", summary="What meets a screen")
async def screener_matches(wanted: MatchesWanted, principal: SignedIn, bench: Bench, threads: Threads) -> MatchesAnswer:
    """Symbols of the newest scan that meet a screen, each with why it does. It counts against nothing."""
    return await in_thread(partial(_matches, wanted, principal, bench), threads)


@routes.get("/screener/signals", summary="The signals of a scan")
async def screener_signals(
    asked: Annotated[SignalsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> SignalsAnswer:
    """Page by page; `conflict` where a newer scan has come since the page before."""
    return await in_thread(partial(_signals, asked, principal, bench), threads)


router.include_router(routes)
router.include_router(looks)


def _field(field: Figure) -> FieldAnswer:
    choices = None if field.choices is None else [Choice(id=each, label=text) for each, text in field.choices.items()]
    return FieldAnswer(
        id=field.id,
        label=field.label,
        group=field.group,
        unit=field.unit.value,
        help=field.help,
        operators=[operator.value for operator in field.operators],
        low=field.low if field.is_number else None,
        high=field.high if field.is_number else None,
        step=field.step,
        decimals=field.decimals,
        choices=choices,
    )


def _preset(preset: Preset) -> PresetAnswer:
    return PresetAnswer(
        id=preset.id,
        title=preset.title,
        summary=preset.summary,
        source=preset.source,
        direction=preset.direction.value if preset.direction else None,
        screen=to_json(preset.screen),
        spoken=spoken(preset.screen),
    )


def _head(saved: SavedScreen) -> dict[str, Any]:
    names = ScreenHead.model_fields.keys() - {"id", "spoken"}
    return {"id": str(saved.id), "spoken": _spoken(saved), **{name: getattr(saved, name) for name in names}}


def _saved(saved: SavedScreen) -> SavedScreenAnswer:
    return SavedScreenAnswer.model_validate({**_head(saved), "screen": saved.criteria})


def _version(version: ScreenVersion) -> ScreenVersionAnswer:
    return ScreenVersionAnswer(
        number=version.number,
        name=version.name,
        author=version.author,
        created_at=version.created_at,
        screen=dict(version.criteria),
        spoken=_spoken(version),
    )


def _spoken(kept: SavedScreen | ScreenVersion) -> str | None:
    try:
        return spoken(kept.screen)
    except InvalidRequest:
        return None


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound(NO_SCREEN) from None


def _matches(wanted: MatchesWanted, principal: Principal, bench: Workbench) -> MatchesAnswer:
    screen = checked(_screen(wanted, principal, bench))
    is_falling, sorted_by = wanted.sort.startswith("-"), wanted.sort.removeprefix("-")
    if sorted_by not in FIELDS or FIELDS[sorted_by].unit is Unit.LIST:
        raise InvalidRequest(
            "The field sort is the id of a figure that is a number or a text, with - before it or not."
        )
    scan = _scan(wanted.universe, principal, bench)
    found = matching(scan.results, screen)
    if sorted_by in found.columns:
        found = found.sort(sorted_by, "symbol", descending=[is_falling, False], nulls_last=True)
    return MatchesAnswer(
        matches=[_match(row) for row in _rows(found.head(wanted.limit))],
        total=found.height,
        spoken=spoken(screen),
        scan=_about(scan),
    )


def _screen(wanted: MatchesWanted, principal: Principal, bench: Workbench) -> Screen:
    if sum(each is not None for each in (wanted.screen, wanted.preset, wanted.screen_id)) != 1:
        raise InvalidRequest("Send one of the fields screen, preset and screen_id.")
    if wanted.screen is not None:
        return from_json(wanted.screen)
    if wanted.screen_id is not None:
        return bench.screener.screens.get(principal, _id(wanted.screen_id)).screen
    preset = bench.screener.screens.presets.get(cast("str", wanted.preset))
    if preset is None:
        raise NotFound("There is no such preset; GET /api/screener/presets names those there are.")
    return preset.screen


def _scan(universe: str | None, principal: Principal, bench: Workbench) -> Scan:
    if universe is None:
        listed = bench.market.universes.list(principal)
        universe = listed[0].id if listed else ""
    scan = bench.screener.scans.latest(principal, universe)
    if scan is None:
        raise NotFound("This universe has not been scanned up to this day; start a scan on the Screener page.")
    return scan


def _about(scan: Scan) -> ScanAnswer:
    about = scan.about
    return ScanAnswer(
        id=str(about.id),
        universe=about.universe_id,
        as_of=about.as_of,
        sessions_behind=scan.sessions_behind,
        formula_version=about.formula_version,
        total=about.total,
        scanned=about.scanned or 0,
        skipped=[SkipAnswer(symbol=symbol, reason=reason) for symbol, reason in about.skipped or ()],
        finished_at=about.finished_at,
    )


def _rows(found: pl.DataFrame) -> list[dict[str, Any]]:
    names = dict.fromkeys(("name", "why", *FIELDS))
    return found.select([name for name in names if name in found.columns]).to_dicts()


def _match(row: Mapping[str, Any]) -> MatchAnswer:
    figures = {name: _figure(field, row.get(name)) for name, field in FIELDS.items() if name != "symbol"}
    return MatchAnswer(symbol=row["symbol"], name=row.get("name"), why=row["why"], figures=figures)


def _figure(field: Figure, value: Any) -> Any:
    """A figure as JSON has it; what is not a finite number is missing."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    return f"{cast('Decimal', money(value)):f}" if field.unit is Unit.PRICE else value


def _signals(asked: SignalsQuery, principal: Principal, bench: Workbench) -> SignalsAnswer:
    scan = _scan(asked.universe, _as_of(principal, asked.date, bench), bench)
    wanted = SignalsWanted(
        symbol=checked_symbol(asked.symbol) if asked.symbol is not None else None,
        type=_signal_type(asked.type),
        min_confidence=asked.min_confidence,
        after=_after(asked.cursor, scan),
    )
    rows = bench.screener.scans.signals(principal, scan.about.id, wanted, asked.limit + 1)
    shown = rows[: asked.limit]
    next_cursor = _cursor(scan, shown[-1]) if len(rows) > asked.limit else None
    return SignalsAnswer(signals=[_signal(row) for row in shown], next_cursor=next_cursor, scan=_about(scan))


def _as_of(principal: Principal, given: str | None, bench: Workbench) -> Principal:
    """The caller as of the day that they ask about.

    Raises:
        InvalidRequest: it is no date, or after the day that they see.
    """
    if given is None:
        return principal
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise InvalidRequest("The field date must be a date such as 2026-01-31.") from None
    if day > bench.market.time.of(principal).day:
        raise InvalidRequest("The field date must not be after the day that the market is seen as of.")
    return replace(principal, as_of=day)


def _signal_type(given: str | None) -> str | None:
    if given is not None and given not in _SIGNAL_LABELS:
        raise InvalidRequest("The field type is none that there is; the choices of the field signals name them.")
    return given


_SIGNAL_LABELS = FIELDS["signals"].choices or {}


def _signal(row: SignalRow) -> SignalAnswer:
    same = ("symbol", "type", "direction", "family", "state", "day", "confirmed_at")
    rates = ("reward_risk", "confidence", "confidence_n", "base_rate")
    prices = {name: money(getattr(row, name)) for name in ("close", "entry", "stop", "target")}
    given = {name: getattr(row, name) for name in (*same, *rates)}
    return SignalAnswer.model_validate(
        {"id": str(row.id), "label": _SIGNAL_LABELS.get(row.type, row.type), **given, **prices}
    )


def _cursor(scan: Scan, last: SignalRow) -> str:
    return base64.urlsafe_b64encode(scan.about.id.bytes + last.id.bytes).decode()


def _after(cursor: str | None, scan: Scan) -> UUID | None:
    """The signal that a cursor stands for.

    Raises:
        InvalidRequest: it is none that this call gave.
        Conflict: it is of another scan.
    """
    if cursor is None:
        return None
    try:
        packed = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        of_scan, after = UUID(bytes=packed[:16]), UUID(bytes=packed[16:])
    except ValueError:
        raise InvalidRequest("The field cursor is not one that this call gave.") from None
    if of_scan != scan.about.id:
        raise Conflict("A newer scan has come since the page before; ask again without a cursor.")
    return after
