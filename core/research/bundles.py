"""Research bundles: news, filings and sentiment of all that a portfolio holds, each made once and read by everybody.

Opening a bundle uses one chat query for each part that is not there, three at most, whatever the size of the portfolio;
reading it uses none. A part is kept under the day that is seen and the holdings, whatever their order. Whoever opens a
part that is being made joins. A part that was made before the holdings changed goes on serving those it was made for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Protocol
from uuid import UUID

from pydantic import ValidationError

from core.accounts.permissions import Action, require
from core.ai.gateway import Gateway
from core.ai.prompts import Prompt
from core.db import research_dao as dao
from core.db.engine import Database
from core.db.research_dao import Claim, PartRow
from core.errors import Denial, InvalidRequest, MeteringDenied, StillRunning
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.metering.meter import QuotaState
from core.metering.plans import Plans
from core.metering.repeats import Idempotency
from core.metering.usage import Usage
from core.metering.usage_log import UsageLog
from core.portfolio.remembered import Remembered
from core.portfolio.report import Report
from core.principal import Principal
from core.research.bundle import PART_OF, PARTS, Bundle, Kind, Part, PartContent, PartName, SymbolAnswer
from core.research.bundle_asks import AskParts, Asks, SymbolAsk
from core.research.bundle_making import Making, MakingParts, Run

QUOTA, REQUESTS = "chat_queries_day", "requests_month"
FORMAT = "bundle 1"
"""Of the key: another one is another bundle."""
MOST_CONTENTS, CONTENTS_S = 48, 600.0
"""Contents of parts that are kept in the process."""
FORGOTTEN_AFTER_S, FORGOTTEN_AT_ONCE = 86_400.0, 100
MAX_AUTHOR_CHARS = 200


class ReportSource(Protocol):
    """Where holdings come from; `core.portfolio.reports` has them."""

    def of(self, principal: Principal, portfolio_id: UUID) -> Report:
        """The report of a portfolio that the principal sees; NotFound otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What bundles are composed of."""

    database: Database
    gateway: Gateway
    usage: Usage
    usage_log: UsageLog
    plans: Plans
    market: Market
    reports: ReportSource
    prompts: Mapping[str, Prompt]
    """By name: news, sentiment, filing_list, news_detail, filing_detail, company_profile."""
    total_s: float
    """Longest that an answer may take."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a portfolio holds, as somebody sees it."""

    principal: Principal
    portfolio_id: UUID
    as_of: AsOf
    names: Mapping[str, str]
    """By symbol."""

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(sorted(self.names))

    @property
    def key(self) -> bytes:
        told = json.dumps([FORMAT, self.as_of.day.isoformat(), self.symbols])
        return hashlib.sha256(told.encode()).digest()


class Bundles:
    """Opens bundles, and tells how they stand."""

    def __init__(self, parts: BundleParts) -> None:
        self._parts = parts
        self._making = Making(
            MakingParts(parts.database, parts.gateway, parts.plans, parts.market, parts.prompts, total_s=parts.total_s)
        )
        self._asks = Asks(AskParts(parts.gateway, parts.usage_log, parts.plans, parts.market, parts.prompts))
        self._contents: Remembered[PartContent | None] = Remembered(MOST_CONTENTS, life_s=CONTENTS_S)

    def state(self, principal: Principal, portfolio_id: UUID) -> Bundle:
        """The bundle as it stands on the day that is seen; nothing is called or counted.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        require(principal, Action.READ)
        return self._bundle(*self._found(self._seen(principal, portfolio_id)))

    def needs(self, principal: Principal, portfolio_id: UUID) -> int:
        """Chat queries that opening would use now; raises as `state`."""
        return self.state(principal, portfolio_id).needs

    def agreed(self, principal: Principal) -> bool:
        """Whether the principal was told what opening uses, and agreed."""
        with self._parts.database.app(principal) as connection:
            return dao.agreed_at(connection) is not None

    def agree(self, principal: Principal) -> None:
        """Takes down that the principal agrees to what opening uses, here and in any portfolio."""
        require(principal, Action.ASK)
        with self._parts.database.app(principal) as connection:
            dao.agree(connection)

    def begin(
        self,
        principal: Principal,
        portfolio_id: UUID,
        parts: Collection[PartName] | None = None,
        *,
        channel: str = "page",
        idempotency: Idempotency | None = None,
    ) -> Bundle:
        """Has the parts made that are not there, and gives the bundle as it stands then; it goes on by itself.

        Args:
            principal: who opens it, and whose chat queries it uses.
            portfolio_id: of which portfolio.
            parts: those that are wanted; of one that is there, but of other holdings, another is made. None: all that
                are not there.
            channel: where it came from, for the log.
            idempotency: the caller's key; sent again, nothing is begun.

        Raises:
            Forbidden: the role or the token may not ask.
            NotFound: no portfolio of that id that this caller sees.
            InvalidRequest: there is no such part.
            MeteringDenied: fewer chat queries are left than it uses; nothing was counted.
            ProviderUnavailable: too many are being made; nothing was counted.
            Conflict: the Idempotency-Key was used with another body.
        """
        require(principal, Action.ASK)
        unknown = {*(parts or ())} - {*PARTS}
        if unknown:
            raise InvalidRequest(f"A bundle has the parts {', '.join(PARTS)}; there is no {min(unknown)}.")
        seen = self._seen(principal, portfolio_id)
        if idempotency is not None and self._is_repeated(principal, idempotency):
            return self._bundle(*self._found(seen))
        seen, rows = self._found(seen)
        wanted = _wanted(rows, seen.key, parts) if seen.names else ()
        if wanted:
            self._making.check_room()
            self._check_left(principal, len(wanted))
            self._begun(seen, wanted, channel, idempotency)
        return self._bundle(*self._found(seen))

    def ask_symbol(
        self,
        principal: Principal,
        portfolio_id: UUID | None,
        kind: Kind,
        symbol: str,
        *,
        channel: str = "page",
        idempotency: Idempotency | None = None,
    ) -> SymbolAnswer:
        """What is known of a symbol: from the portfolio's bundle, free, or by one chat query of its own.

        Raises:
            InvalidRequest: there is no such kind of question, or what cannot be a symbol.
            NotFound: no portfolio of that id that this caller sees, or nobody knows the symbol.
            NotEnoughData: nothing is known of the symbol; nothing was counted.
            Forbidden, MeteringDenied, ProviderError: as `Gateway.session`.
        """
        require(principal, Action.READ)
        if kind not in PART_OF:
            raise InvalidRequest(f"The field kind takes {', '.join(PART_OF)}.")
        if portfolio_id is not None:
            found = self.known(principal, portfolio_id, kind, symbol, channel=channel)
            if found is not None:
                return found
        return self._asks.asked(principal, SymbolAsk(kind, checked_symbol(symbol), channel, idempotency))

    def known(
        self, principal: Principal, portfolio_id: UUID, kind: Kind, symbol: str, *, channel: str = "page"
    ) -> SymbolAnswer | None:
        """What the bundle of a portfolio has of a symbol, free; None where it is not there, or has not this one.

        Raises:
            InvalidRequest: what cannot be a symbol.
            NotFound: no portfolio of that id that this caller sees.
        """
        ask = SymbolAsk(kind, checked_symbol(symbol), channel)
        return self._asks.of_bundle(principal, ask, self.state(principal, portfolio_id).part(PART_OF[kind]))

    def names(self, principal: Principal, portfolio_id: UUID) -> Mapping[str, str]:
        """The companies' names of what a portfolio holds, by symbol; raises as `state`."""
        return self._seen(principal, portfolio_id).names

    def close(self) -> None:
        """Begins nothing new, and waits a little for what is under way; after the gateway was closed."""
        self._making.close()

    def _begun(self, seen: _Seen, wanted: Sequence[PartName], channel: str, idempotency: Idempotency | None) -> None:
        """Claims parts and has them made, as far as nobody else did."""
        principal, claim = seen.principal, Claim(seen.portfolio_id, new_id())
        with self._parts.database.app(principal) as connection:
            taken = dao.claim(
                connection,
                claim,
                wanted,
                key=seen.key,
                as_of=seen.as_of.day,
                symbols=seen.symbols,
                author=principal.name[:MAX_AUTHOR_CHARS],
                seconds=self._making.claim_s,
            )
        if not taken:
            return
        with self._parts.database.service() as connection:
            dao.forget(connection, after_s=FORGOTTEN_AFTER_S, most=FORGOTTEN_AT_ONCE)
        ours = tuple(part for part in wanted if part in taken)
        self._making.start(
            Run(principal, claim, ours, seen.symbols, seen.names, seen.as_of, channel=channel, idempotency=idempotency)
        )

    def _is_repeated(self, principal: Principal, idempotency: Idempotency) -> bool:
        try:
            return self._parts.gateway.replayed(principal, idempotency) is not None
        except StillRunning:
            return True

    def _check_left(self, principal: Principal, wanted: int) -> None:
        """Refuses up front what would end in the middle."""
        allowances = self._parts.usage.overview(principal).allowances
        for metric in (QUOTA, REQUESTS):
            state = allowances[metric].state
            if state.remaining is not None and state.remaining < wanted:
                raise MeteringDenied(_denial(state, wanted))

    def _seen(self, principal: Principal, portfolio_id: UUID) -> _Seen:
        report = self._parts.reports.of(principal, portfolio_id)
        names = {line.symbol: line.name for line in report.holdings if line.quantity}
        return _Seen(principal, portfolio_id, self._parts.market.time.of(principal), names)

    def _found(self, seen: _Seen) -> tuple[_Seen, Sequence[PartRow]]:
        with self._parts.database.app(seen.principal) as connection:
            return seen, dao.heads(connection, seen.portfolio_id, seen.as_of.day)

    def _bundle(self, seen: _Seen, rows: Sequence[PartRow]) -> Bundle:
        known = self._parts.market.instruments.many(seen.symbols, seen.as_of, seen.principal) if seen.names else {}
        return Bundle(
            portfolio_id=seen.portfolio_id,
            as_of=seen.as_of.day,
            held=seen.symbols,
            unknown=tuple(symbol for symbol in seen.symbols if symbol not in known),
            parts=tuple(
                self._part(seen, name, _best([row for row in rows if row.part == name], seen.key)) for name in PARTS
            ),
        )

    def _part(self, seen: _Seen, name: PartName, rows: Sequence[PartRow]) -> Part:
        """A part as its rows say, of which the first counts; while it is made anew the one before it serves."""
        if not rows:
            return Part(name)
        row = rows[0]
        shown = next((each for each in rows if each.state == "ready"), row)
        content = self._content(seen, shown)
        if content is None:
            return Part(name)
        return Part(
            name=name,
            state=row.state,  # type: ignore[arg-type]  # the table's own constraint
            symbols=tuple(shown.symbols),
            content=content,
            author=shown.author,
            begun_at=row.begun_at,
            expires_at=shown.expires_at,
        )

    def _content(self, seen: _Seen, row: PartRow) -> PartContent | None:
        """What a part holds, in the process once it was read; None where it is gone, or of another form."""
        if row.state == "making":
            return PartContent()

        def read() -> PartContent | None:
            with self._parts.database.app(seen.principal) as connection:
                found = dao.content(connection, seen.portfolio_id, row)
            try:
                return None if found is None else PartContent.model_validate_json(json.dumps(found))
            except ValidationError:
                return None

        return self._contents.of((seen.portfolio_id, row.part, row.key, row.claim, row.state), read)


def _best(rows: Sequence[PartRow], key: bytes) -> list[PartRow]:
    """What is being made, then what is there (of exactly these holdings, or else the newest), then what failed."""
    places = {"making": 0, "ready": 1, "failed": 2}
    return sorted(rows, key=lambda row: (places[row.state], row.key != key))


def _wanted(rows: Sequence[PartRow], key: bytes, parts: Collection[PartName] | None) -> tuple[PartName, ...]:
    """The parts to be made: never one that is being made, or is there of exactly these holdings."""
    making = {row.part for row in rows if row.state == "making"}
    ready = {row.part for row in rows if row.state == "ready" and (parts is None or row.key == key)}
    return tuple(part for part in PARTS if part not in making | ready and (parts is None or part in parts))


def _denial(state: QuotaState, wanted: int) -> Denial:
    limit, left = Decimal(state.limit or 0), Decimal(state.remaining or 0)
    seconds = max(1, ceil((state.resets_at - datetime.now(UTC)).total_seconds()))
    what, uses = ("chat query", "chat queries") if state.metric == QUOTA else ("AI request", "AI requests")
    period = "day" if state.metric == QUOTA else "month"
    return Denial(
        code="quota_exceeded",
        metric=state.metric,
        limit=limit,
        used=Decimal(state.used),
        remaining=left,
        resets_at=state.resets_at,
        retry_after_s=seconds,
        reason=f"This uses {wanted} {what if wanted == 1 else uses}, and {left} {'is' if left == 1 else 'are'} left "
        f"({limit}/{period}); nothing was used",
    )
