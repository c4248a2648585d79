"""Portfolios: settings, sharing by role, and limits that refuse an addition and touch nothing that is there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from core.errors import AssayError, Conflict, Forbidden, InvalidRequest, NotFound, PlanRequired
from core.ids import new_id
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import PortfolioInfo, Portfolios, PortfolioSettings
from core.portfolio.report import CostMethod
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal, Role, Scope
from core.workbench import Workbench
from tests.conftest import MakeMember

DEPOSIT = Draft(Kind.DEPOSIT, date(2010, 1, 4), "USD", amount=Decimal(100))


@pytest.fixture
def portfolios(workbench: Workbench) -> Portfolios:
    return Portfolios(workbench.database, workbench.plans)


@pytest.fixture
def journal(workbench: Workbench) -> Journal:
    return Journal(workbench.database, workbench.plans, Books(), workbench.market.time)


@pytest.fixture
def team(member: MakeMember) -> dict[Role, Principal]:
    """One of each role in one organisation."""
    return {role: member(f"the.{role}", org="Acme", plan="team", role=role) for role in Role}


def test_a_portfolio_is_kept_as_it_was_made(portfolios: Portfolios, member: MakeMember) -> None:
    ann = member("ann")
    settings = PortfolioSettings("  My   money ", "eur", CostMethod.AVERAGE, has_cash=False, benchmark="sp500")
    made = portfolios.create(ann, settings)
    assert made.settings == PortfolioSettings("My money", "EUR", CostMethod.AVERAGE, has_cash=False, benchmark="SP500")
    assert (made.number, made.made_by, made.is_own, made.may_edit) == (0, "ann", True, True)
    assert portfolios.get(ann, made.id) == made
    assert list(portfolios.all(ann)) == [made]


def test_the_version_changes_with_all_that_figures_come_from(portfolios: Portfolios, member: MakeMember) -> None:
    ann = member("ann")
    made = portfolios.create(ann, PortfolioSettings("Money"))
    versions = {made.version}
    for settings in (
        replace(made.settings, currency="EUR"),
        replace(made.settings, cost_method=CostMethod.AVERAGE),
        replace(made.settings, has_cash=False),
    ):
        versions.add(portfolios.change(ann, made.id, settings).version)
    versions.add(replace(made, number=1).version)
    assert len(versions) == 5
    assert portfolios.change(ann, made.id, replace(made.settings, name="Other")).version == made.version


def test_a_currency_stays_while_transactions_tell_rates_to_it(
    portfolios: Portfolios, journal: Journal, member: MakeMember
) -> None:
    ann = member("ann")
    made = portfolios.create(ann, PortfolioSettings("Money"))
    told = replace(DEPOSIT, currency="EUR", fx_rate=Decimal("1.3"))
    (row,) = journal.add(ann, made.id, [told])
    with pytest.raises(InvalidRequest, match="rates to USD"):
        portfolios.alter(ann, made.id, {"currency": "EUR"})
    assert portfolios.alter(ann, made.id, {"name": "Other"}).currency == "USD"
    journal.reverse(ann, made.id, row.id)
    assert portfolios.alter(ann, made.id, {"currency": "EUR"}).currency == "EUR"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(PortfolioSettings(""), id="no name"),
        pytest.param(PortfolioSettings("x" * 81), id="a long name"),
        pytest.param(PortfolioSettings("A\x00B"), id="a name with NUL"),
        pytest.param(PortfolioSettings("A", currency="dollars"), id="no currency"),
        pytest.param(PortfolioSettings("A", currency="GBp"), id="pence"),
        pytest.param(PortfolioSettings("A", benchmark="not a symbol!"), id="no symbol"),
        pytest.param(PortfolioSettings("A", shared_with="owner"), id="shared with owners"),
        pytest.param(PortfolioSettings("A", shared_with="viewer", edited_with="viewer"), id="edited by viewers"),
        pytest.param(PortfolioSettings("A", edited_with="analyst"), id="edited and not seen"),
        pytest.param(PortfolioSettings("A", shared_with="admin", edited_with="analyst"), id="edited by too many"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    portfolios: Portfolios, member: MakeMember, wrong: PortfolioSettings
) -> None:
    ann = member("ann")
    with pytest.raises(InvalidRequest):
        portfolios.create(ann, wrong)
    assert not portfolios.all(ann)


def test_a_name_is_taken_once_by_one_person(portfolios: Portfolios, team: dict[Role, Principal]) -> None:
    owner, analyst = team[Role.OWNER], team[Role.ANALYST]
    portfolios.create(owner, PortfolioSettings("Money"))
    with pytest.raises(Conflict, match="named Money"):
        portfolios.create(owner, PortfolioSettings("Money"))
    other = portfolios.create(owner, PortfolioSettings("Other"))
    with pytest.raises(Conflict, match="named Money"):
        portfolios.change(owner, other.id, PortfolioSettings("Money"))
    portfolios.create(analyst, PortfolioSettings("Money"))


def _seen_by(portfolios: Portfolios, who: Principal, made: PortfolioInfo) -> PortfolioInfo | None:
    try:
        return portfolios.get(who, made.id)
    except NotFound:
        assert made.id not in [each.id for each in portfolios.all(who)]
        return None


@dataclass(frozen=True)
class Sharing:
    """How a portfolio is shared, and which roles then do what."""

    shared_with: str | None
    edited_with: str | None
    sees: str
    edits: str


@pytest.mark.parametrize(
    "sharing",
    [
        Sharing(None, None, "", ""),
        Sharing("admin", None, "owner admin", ""),
        Sharing("analyst", None, "owner admin analyst", ""),
        Sharing("viewer", None, "owner admin analyst viewer", ""),
        Sharing("admin", "admin", "owner admin", "owner admin"),
        Sharing("viewer", "admin", "owner admin analyst viewer", "owner admin"),
        Sharing("viewer", "analyst", "owner admin analyst viewer", "owner admin analyst"),
    ],
    ids=lambda sharing: f"seen by {sharing.shared_with}, edited by {sharing.edited_with}",
)
def test_roles_and_sharing(
    portfolios: Portfolios, journal: Journal, team: dict[Role, Principal], member: MakeMember, sharing: Sharing
) -> None:
    maker = member("maker", org="Acme", plan="team", role=Role.ANALYST)
    ours = PortfolioSettings("Ours", shared_with=sharing.shared_with, edited_with=sharing.edited_with)
    made = portfolios.create(maker, ours)
    for role, who in team.items():
        seen, edits = _seen_by(portfolios, who, made), role in sharing.edits.split()
        assert (seen is not None) == (role in sharing.sees.split()), role
        hidden = NotFound if seen is None and role is not Role.VIEWER else Forbidden
        assert _refusal(partial(journal.add, who, made.id, [DEPOSIT])) is (None if edits else hidden), role
        if seen is not None:
            assert (seen.is_own, seen.may_edit) == (False, edits), role
            assert journal.transactions(who, made.id) == journal.transactions(maker, made.id)
        assert _refusal(partial(portfolios.change, who, made.id, ours)) is hidden, role
        assert _refusal(partial(portfolios.delete, who, made.id)) is hidden, role
    assert len(journal.transactions(maker, made.id)) == len(sharing.edits.split())
    portfolios.delete(maker, made.id)
    with pytest.raises(NotFound):
        portfolios.get(maker, made.id)


def _refusal(step: Callable[[], object]) -> type[AssayError] | None:
    try:
        step()
    except AssayError as error:
        return type(error)
    return None


def test_another_organisation_finds_nothing(portfolios: Portfolios, journal: Journal, member: MakeMember) -> None:
    ann, bob = member("ann", plan="team"), member("bob", plan="team")
    made = portfolios.create(ann, PortfolioSettings("Ours", shared_with="viewer", edited_with="analyst"))
    journal.add(ann, made.id, [DEPOSIT])
    assert not portfolios.all(bob)
    for step in (
        lambda: portfolios.get(bob, made.id),
        lambda: portfolios.change(bob, made.id, made.settings),
        lambda: portfolios.delete(bob, made.id),
        lambda: journal.transactions(bob, made.id),
        lambda: journal.known(bob, made.id),
        lambda: journal.add(bob, made.id, [DEPOSIT]),
        lambda: journal.reverse(bob, made.id, new_id()),
        lambda: journal.correct(bob, made.id, new_id(), DEPOSIT),
    ):
        assert _refusal(step) is NotFound
    with pytest.raises(NotFound):
        portfolios.get(ann, new_id())


def test_a_viewer_and_a_token_to_read_make_nothing(portfolios: Portfolios, team: dict[Role, Principal]) -> None:
    with pytest.raises(Forbidden):
        portfolios.create(team[Role.VIEWER], PortfolioSettings("Mine"))
    reader = replace(team[Role.OWNER], scopes=frozenset({Scope.READ}))
    with pytest.raises(Forbidden):
        portfolios.create(reader, PortfolioSettings("Mine"))
    made = portfolios.create(team[Role.OWNER], PortfolioSettings("Mine"))
    assert portfolios.get(team[Role.OWNER], made.id).may_edit
    assert not portfolios.get(reader, made.id).may_edit


def test_the_limit_is_the_organisations_and_counts_what_others_keep_to_themselves(
    portfolios: Portfolios, member: MakeMember
) -> None:
    ann = member("ann", org="Acme", plan="basic")
    bob = member("bob", org="Acme", plan="basic", role=Role.ANALYST)
    assert portfolios.limit(ann) == 3
    for number in range(3):
        portfolios.create(ann, PortfolioSettings(f"Portfolio {number}"))
    assert not portfolios.all(bob)
    with pytest.raises(PlanRequired, match="The plan Basic has room for 3 portfolios in your organisation"):
        portfolios.create(bob, PortfolioSettings("Mine"))
    portfolios.delete(ann, portfolios.all(ann)[0].id)
    portfolios.create(bob, PortfolioSettings("Mine"))


def test_of_several_who_make_the_last_one_at_once_one_does(portfolios: Portfolios, member: MakeMember) -> None:
    people = [
        member(f"person{number}", org="Acme", plan="basic", role=Role.ANALYST if number else Role.OWNER)
        for number in range(6)
    ]
    for number in range(2):
        portfolios.create(people[0], PortfolioSettings(f"Portfolio {number}"))
    barrier = Barrier(len(people))

    def make(who: Principal) -> type[AssayError] | None:
        barrier.wait()
        return _refusal(lambda: portfolios.create(who, PortfolioSettings("The last")))

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = list(pool.map(make, people))
    assert outcomes.count(None) == 1
    assert outcomes.count(PlanRequired) == 5


def test_a_downgrade_refuses_additions_and_touches_nothing(
    portfolios: Portfolios,
    journal: Journal,
    member: MakeMember,
    workbench: Workbench,
) -> None:
    ann = member("ann", plan="premium")
    made = [portfolios.create(ann, PortfolioSettings(f"Portfolio {number}")) for number in range(4)]
    buys = [_buy(f"S{number}") for number in range(15)]
    rows = journal.add(ann, made[0].id, buys)
    workbench.directory.set_plan(ann.org_name, "free")
    assert len(portfolios.all(ann)) == 4
    with pytest.raises(PlanRequired, match="which has 4"):
        portfolios.create(ann, PortfolioSettings("One more"))
    with pytest.raises(PlanRequired, match="10 holdings in a portfolio; with this it would have 16"):
        journal.add(ann, made[0].id, [_buy("NEW")])
    assert len(journal.transactions(ann, made[0].id)) == 15
    portfolios.change(ann, made[0].id, PortfolioSettings("Renamed"))
    journal.add(ann, made[0].id, [_buy("S3"), DEPOSIT])
    journal.reverse(ann, made[0].id, rows[4].id)
    journal.correct(ann, made[0].id, rows[5].id, _buy("RENAMED"))
    journal.add(ann, made[0].id, [Draft(Kind.SELL, date(2010, 2, 1), "USD", "S6", Decimal(1), Decimal(9))])
    for each in made:
        journal.transactions(ann, each.id)
    journal.add(ann, made[1].id, [_buy("NEW")])
    portfolios.delete(ann, made[3].id)
    with pytest.raises(PlanRequired):
        portfolios.create(ann, PortfolioSettings("One more"))


def _buy(symbol: str, quantity: int = 10) -> Draft:
    return Draft(Kind.BUY, date(2010, 1, 5), "USD", symbol, Decimal(quantity), Decimal(8))


def test_deleting_a_portfolio_takes_all_that_it_holds_along(
    portfolios: Portfolios,
    journal: Journal,
    member: MakeMember,
    service: psycopg.Connection[tuple[object, ...]],
) -> None:
    ann = member("ann", plan="team")
    made = portfolios.create(ann, PortfolioSettings("Money"))
    [row] = journal.add(ann, made.id, [DEPOSIT])
    journal.reverse(ann, made.id, row.id)
    portfolios.delete(ann, made.id)
    found = service.execute("SELECT count(*) FROM portfolio_transactions").fetchone()
    assert found == (0,)
    with pytest.raises(NotFound):
        journal.transactions(ann, made.id)


def test_whose_a_portfolio_is_cannot_be_changed(
    portfolios: Portfolios, workbench: Workbench, member: MakeMember
) -> None:
    ann = member("ann", plan="team")
    made = portfolios.create(ann, PortfolioSettings("Money"))
    with pytest.raises(ProgrammingError, match="permission denied"), workbench.database.app(ann) as connection:
        connection.execute(
            text("UPDATE portfolios SET user_id = :other WHERE id = :id"), {"other": new_id(), "id": made.id}
        )


def test_what_a_member_leaves_behind_is_the_owners_and_admins(
    portfolios: Portfolios, journal: Journal, workbench: Workbench, team: dict[Role, Principal]
) -> None:
    analyst, owner = team[Role.ANALYST], team[Role.OWNER]
    private = portfolios.create(analyst, PortfolioSettings("Mine"))
    shared = portfolios.create(analyst, PortfolioSettings("Ours", shared_with="viewer"))
    assert [each.id for each in portfolios.all(owner)] == [shared.id]
    workbench.members.remove(owner, analyst.user_id)
    assert {each.id for each in portfolios.all(owner) if each.is_own and each.may_edit} == {private.id, shared.id}
    assert [each.id for each in portfolios.all(team[Role.VIEWER])] == [shared.id]
    journal.add(owner, private.id, [DEPOSIT])
    assert portfolios.alter(team[Role.ADMIN], shared.id, {"name": "The team's"}).name == "The team's"
    portfolios.delete(owner, private.id)
    assert [each.id for each in portfolios.all(owner)] == [shared.id]


def test_the_database_itself_keeps_portfolios_apart(
    portfolios: Portfolios, journal: Journal, workbench: Workbench, team: dict[Role, Principal], member: MakeMember
) -> None:
    owner, analyst, bob = team[Role.OWNER], team[Role.ANALYST], member("bob")
    made = portfolios.create(owner, PortfolioSettings("Ours", shared_with="viewer", edited_with="analyst"))
    [row] = journal.add(owner, made.id, [DEPOSIT])
    of_bob = portfolios.create(bob, PortfolioSettings("Bob's"))
    foreign = text(
        "INSERT INTO portfolio_transactions (id, portfolio_id, org_id, number, kind, day, currency, amount, fees, "
        "taxes, note, identity, author, created_at, reverses) VALUES (:id, :portfolio, bound_org(), 1, 'deposit', "
        "'2010-01-04', 'USD', 1, 0, 0, '', 'x', 'Bob', assay_now(), :reverses)"
    )
    values = {"id": new_id(), "portfolio": of_bob.id, "reverses": row.id}
    with pytest.raises(IntegrityError, match="foreign key"), workbench.database.app(bob) as connection:
        connection.execute(foreign, values)
    for change in ("name = 'Stolen'", "shared_with = NULL, edited_with = NULL", "number = 0", "has_cash = false"):
        statement = text(f"UPDATE portfolios SET {change} WHERE id = :id")
        with pytest.raises(ProgrammingError, match=r"owner's|only ever"), workbench.database.app(analyst) as connection:
            connection.execute(statement, {"id": made.id})
    assert portfolios.get(owner, made.id).settings == made.settings
    journal.add(analyst, made.id, [DEPOSIT])
    again = text(
        "INSERT INTO portfolios (id, org_id, user_id, name, currency, cost_method, has_cash, made_by, number, "
        "created_at, updated_at) SELECT :id, bound_org(), bound_user(), 'One more', 'USD', 'fifo', true, 'Bob', 0, "
        "assay_now(), assay_now()"
    )
    with pytest.raises(ProgrammingError, match="permission denied"), workbench.database.app(bob) as connection:
        connection.execute(again, {"id": new_id()})
