"""Templates: whose they are, what is in them, and what becomes of them with values."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from core.db import templates_dao
from core.db.engine import Database
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.principal import Principal, Role, Scope
from core.research.shipped_templates import load_templates
from core.research.template_texts import MAX_FILLED_CHARS, MAX_VALUE_CHARS, Variable
from core.research.templates import MAX_TEMPLATES, Sharing, TemplateDraft, Templates
from core.settings import DATA
from tests.conftest import MakeMember

SYMBOL = Variable("symbol", kind="symbol")
COUNT = Variable("count", kind="number", default="50")


@pytest.fixture
def templates(database: Database) -> Templates:
    """Templates of the test's database, and the shipped ones."""
    return Templates(database, load_templates(DATA / "templates.yaml"))


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner of Acme."""
    return member("ann", org="Acme")


@pytest.fixture
def ben(ann: Principal, member: MakeMember) -> Principal:
    """An analyst of Acme."""
    return member("ben", org=ann.org_name, role=Role.ANALYST)


@pytest.fixture
def eve(member: MakeMember) -> Principal:
    """An owner elsewhere."""
    return member("eve", org="Elsewhere")


def _draft(
    title: str, text: str, *variables: Variable, sharing: Sharing = "private", category: str = "General"
) -> TemplateDraft:
    return TemplateDraft(title, text, category, sharing=sharing, variables=variables)


def _titles(templates: Templates, principal: Principal, **wanted: str) -> list[str]:
    rows = templates.list(principal, **wanted).rows  # type: ignore[arg-type]
    return [head.title for head in rows if not head.is_shipped]


def test_a_template_is_kept_as_it_was_written_and_filled_with_values(templates: Templates, ann: Principal) -> None:
    made = templates.create(ann, _draft(" Earnings  note ", "On {{symbol}}, in {{ symbol }}.\r\nBrief.", SYMBOL))
    assert (made.title, made.text) == ("Earnings note", "On {{symbol}}, in {{ symbol }}.\nBrief.")
    assert (made.version, made.used) == (1, 0)
    assert templates.get(ann, made.id) == made
    filled = templates.filled(ann, made.id, {"symbol": " msft "})
    assert filled.text == "On MSFT, in MSFT.\nBrief."
    assert filled.template_id == made.id


def test_who_sees_and_who_changes_a_template(
    templates: Templates, ann: Principal, ben: Principal, eve: Principal
) -> None:
    operator = replace(eve, is_operator=True)
    made = {
        "private": templates.create(ben, _draft("Bens own", "One.")),
        "shared": templates.create(ben, _draft("Bens shared", "Two.", sharing="shared")),
        "public": templates.create(operator, _draft("Public", "Three.", sharing="public")),
    }
    seen = {who.name: _titles(templates, who) for who in (ann, ben, eve)}
    assert list(seen.values()) == [["Bens shared", "Public"], ["Bens own", "Bens shared", "Public"], ["Public"]]
    assert [templates.get(ben, each.id).may_change for each in made.values()] == [True, True, False]
    for who, sharing in ((ann, "private"), (eve, "private"), (eve, "shared")):
        for step in (
            lambda who=who, sharing=sharing: templates.get(who, made[sharing].id),
            lambda who=who, sharing=sharing: templates.filled(who, made[sharing].id, {}),
            lambda who=who, sharing=sharing: templates.change(who, made[sharing].id, _draft("Mine", "Now.")),
            lambda who=who, sharing=sharing: templates.delete(who, made[sharing].id),
        ):
            with pytest.raises(NotFound):
                step()
    changed = templates.change(ann, made["shared"].id, _draft("By a manager", "Two.", sharing="shared"), after=1)
    assert (changed.title, changed.version, changed.is_own) == ("By a manager", 2, False)
    with pytest.raises(Forbidden, match="Only its author"):
        templates.change(ann, made["shared"].id, _draft("Taken", "Two."))
    with pytest.raises(Forbidden, match="operators may change it"):
        templates.change(ann, made["public"].id, _draft("Mine", "Now.", sharing="public"))
    with pytest.raises(Forbidden, match="operators may change it"):
        templates.delete(eve, made["public"].id)
    templates.delete(replace(ann, is_operator=True), made["public"].id)
    templates.delete(ann, made["shared"].id)
    assert _titles(templates, ben) == ["Bens own"]


def test_an_analyst_uses_a_shared_template_of_another_and_does_not_change_it(
    templates: Templates, ann: Principal, ben: Principal
) -> None:
    made = templates.create(ann, _draft("House style", "Be brief.", sharing="shared"))
    assert templates.filled(ben, made.id, {}).text == "Be brief."
    with pytest.raises(Forbidden, match="its author, and owners and admins"):
        templates.change(ben, made.id, _draft("House style", "Be long.", sharing="shared"))


def test_viewers_and_reading_tokens_keep_no_templates(templates: Templates, ann: Principal) -> None:
    for who in (replace(ann, role=Role.VIEWER), replace(ann, scopes=frozenset({Scope.READ}))):
        with pytest.raises(Forbidden):
            templates.create(who, _draft("Mine", "Text."))
        assert templates.list(who).rows


def test_only_operators_make_a_template_public(templates: Templates, ann: Principal) -> None:
    with pytest.raises(Forbidden, match="Only operators"):
        templates.create(ann, _draft("Mine", "Text.", sharing="public"))
    made = templates.create(ann, _draft("Mine", "Text."))
    with pytest.raises(Forbidden, match="Only operators"):
        templates.change(ann, made.id, _draft("Mine", "Text.", sharing="public"))
    operator = replace(ann, is_operator=True)
    assert templates.change(operator, made.id, _draft("Mine", "Text.", sharing="public")).sharing == "public"
    assert templates.change(operator, made.id, _draft("Mine", "Text.")).sharing == "private"


@pytest.mark.parametrize(
    ("text", "variables", "words"),
    [
        ("Of {{one}} and {{two}}.", [Variable("one")], "Not declared: two."),
        ("Of {{one}}.", [Variable("one"), Variable("two")], "Declared, and not in the text: two."),
        ("Of {{two}}.", [Variable("one")], "Not declared: two. Declared, and not in the text: one."),
        ("Of {{One Two}}.", [], "{{One Two}} is no variable"),
        ("Of {{}}.", [], "{{}} is no variable"),
        ("Of {{one}.", [Variable("one")], "without its }}"),
        ("Of {{one}}.", [Variable("one"), Variable("one")], "declared twice: one"),
        ("Of {{one}}.", [Variable("one", kind="colour")], "unknown kind"),  # type: ignore[arg-type]
        ("Of {{one}}.", [Variable("one", kind="choice")], "needs choices"),
        ("Of {{one}}.", [Variable("one", choices=("a",))], "none otherwise"),
        ("Of {{one}}.", [Variable("one", kind="choice", choices=("a", "a"))], "each once"),
        ("Of {{one}}.", [Variable("one", kind="choice", choices=("a", " "))], "one line of 1 to"),
        ("Of {{one}}.", [Variable("one", kind="number", default="many")], "The default of one is not a number"),
        (
            "Of {{one}}.",
            [Variable("one", kind="choice", choices=("a",), default="b")],
            "of one is none of: a",
        ),
        ("Of {{one}}.", [Variable("one", label="x" * 81)], "The label of one"),
        ("".join(f"{{{{n{n}}}}}" for n in range(21)), [Variable(f"n{n}") for n in range(21)], "at most 20 variables"),
        (" \n ", [], "needs a text"),
        ("x" * 20_001, [], "at most 20,000"),
        ("A \x00.", [], "not shown"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 and value.isprintable() else "",
)
def test_what_a_template_cannot_be_is_named(
    templates: Templates, ann: Principal, text: str, variables: list[Variable], words: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        templates.create(ann, _draft("Mine", text, *variables))
    assert words in refused.value.detail
    assert _titles(templates, ann) == []


EVERY = (
    Variable("words"),
    Variable("count", kind="number", default="5"),
    Variable("since", kind="date", is_required=False),
    SYMBOL,
    Variable("form", kind="choice", choices=("10-K", "10-Q"), default="10-K"),
)
EVERY_TEXT = "{{words}}|{{count}}|{{since}}|{{symbol}}|{{form}}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"words": "tone", "symbol": "brk.b"}, "tone|5||BRK.B|10-K"),
        (
            {"words": "tone", "symbol": "MSFT", "count": 2.5, "since": "2024-03-01", "form": "10-Q"},
            "tone|2.5|2024-03-01|MSFT|10-Q",
        ),
        ({"words": "tone", "symbol": "MSFT", "count": "", "form": None}, "tone|5||MSFT|10-K"),
        (
            {"words": "{{symbol}} {{template:Rules}}", "symbol": "MSFT"},
            "{{symbol}} {{template:Rules}}|5||MSFT|10-K",
        ),
        ({"words": "a\u202eb\x07 c\u200b\r\nnext \ud800line", "symbol": "MSFT"}, "ab c\nnext line|5||MSFT|10-K"),
    ],
    ids=["defaults", "all", "empty", "marks_in_a_value", "hidden_characters"],
)
def test_values_are_data(templates: Templates, ann: Principal, given: dict[str, object], text: str) -> None:
    made = templates.create(ann, _draft("Mine", EVERY_TEXT, *EVERY))
    assert templates.filled(ann, made.id, given).text == text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "needs a value for: words, symbol."),
        ({"words": "x"}, "needs a value for: symbol."),
        (
            {"words": "x", "symbol": "MSFT", "colour": "red"},
            "has no variable colour; it has words, count, since,",
        ),
        ({"words": 5, "symbol": "MSFT"}, "The value of words is not a text."),
        ({"words": True, "symbol": "MSFT"}, "The value of words is not a text."),
        ({"words": ["x"], "symbol": "MSFT"}, "The value of words is not a text."),
        ({"words": "x" * (MAX_VALUE_CHARS + 1), "symbol": "MSFT"}, "The value of words is too long"),
        ({"words": "x", "symbol": "MSFT", "count": "many"}, "The value of count is not a number."),
        ({"words": "x", "symbol": "MSFT", "count": float("nan")}, "The value of count is not a number."),
        ({"words": "x", "symbol": "MSFT", "count": "1" * 41}, "The value of count is not a number."),
        ({"words": "x", "symbol": "MSFT", "since": "1 March"}, "The value of since is not a date"),
        ({"words": "x", "symbol": "not one!"}, "The value of symbol is not a symbol"),
        ({"words": "x", "symbol": "MSFT", "form": "S-1"}, "The value of form is none of: 10-K, 10-Q."),
    ],
    ids=range(13),
)
def test_wrong_values_are_named(templates: Templates, ann: Principal, given: dict[str, object], words: str) -> None:
    made = templates.create(ann, _draft("Mine", EVERY_TEXT, *EVERY))
    with pytest.raises(InvalidRequest) as refused:
        templates.filled(ann, made.id, given)
    assert words in refused.value.detail


def test_a_template_takes_in_others_with_their_variables(templates: Templates, ann: Principal) -> None:
    rules = templates.create(ann, _draft("Rules", "In {{count}} words.", COUNT))
    by_title = templates.create(ann, _draft("By title", "On {{symbol}}. {{template: rules }}", SYMBOL))
    by_id = templates.create(ann, _draft("By id", f"{{{{template:{rules.id}}}}} {{{{template:Figures and sources}}}}"))
    assert [each.name for each in by_title.inputs] == ["symbol", "count"]
    assert [each.name for each in by_title.variables] == ["symbol"]
    before = templates.filled(ann, by_title.id, {"symbol": "MSFT"})
    assert before.text == "On MSFT. In 50 words."
    assert templates.filled(ann, by_id.id, {"count": 9}).text.startswith("In 9 words. State each figure")
    templates.change(ann, rules.id, _draft("Rules", "In {{count}} sentences.", Variable("count", kind="number")))
    after = templates.filled(ann, by_title.id, {"symbol": "MSFT", "count": 3})
    assert after.text == "On MSFT. In 3 sentences."
    assert after.version != before.version, "a text that is taken in belongs to the version"


def test_a_template_never_asks_for_itself(templates: Templates, ann: Principal) -> None:
    with pytest.raises(InvalidRequest, match="asks for itself: Mine → Mine"):
        templates.create(ann, _draft("Mine", "{{template:Mine}}"))
    first = templates.create(ann, _draft("First", "One."))
    second = templates.create(ann, _draft("Second", "{{template:First}} Two."))
    third = templates.create(ann, _draft("Third", f"{{{{template:{second.id}}}}} Three."))
    for text in ("{{template:First}}", f"{{{{template:{first.id}}}}}", "{{template:Third}}"):
        with pytest.raises(InvalidRequest, match="asks for itself: First → "):
            templates.change(ann, first.id, _draft("First", text))
    assert templates.filled(ann, third.id, {}).text == "One. Two. Three."


def test_what_came_about_later_is_refused_when_filled(
    templates: Templates, ann: Principal, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    ending = templates.create(ann, _draft("Ending", "The end."))
    asking = templates.create(ann, _draft("Asking", "{{template:Ending}}"))
    templates.change(ann, ending.id, _draft("Was ending", "{{template:Figures and sources}}"))
    with pytest.raises(InvalidRequest, match="There is no template 'Ending' for 'Asking'"):
        templates.filled(ann, asking.id, {})
    assert "There is no template" in (templates.get(ann, asking.id).flaw or "")
    with pytest.raises(InvalidRequest, match="asks for itself: Ending → Asking → Ending"):
        templates.change(ann, ending.id, _draft("Ending", "{{template:Asking}}"))
    # Two that are saved at one moment do not see each other.
    service.execute(
        "UPDATE prompt_templates SET title = 'Ending', text = '{{template:Asking}}' WHERE id = %s", (ending.id,)
    )
    with pytest.raises(InvalidRequest, match="asks for itself: Asking → Ending → Asking"):
        templates.filled(ann, asking.id, {})


def test_templates_within_one_another_and_their_number_are_bounded(templates: Templates, ann: Principal) -> None:
    templates.create(ann, _draft("Level 0", "x" * 15_000))
    for level in range(1, 6):
        templates.create(ann, _draft(f"Level {level}", f"{{{{template:Level {level - 1}}}}}"))
    with pytest.raises(InvalidRequest, match="at most 5 deep"):
        templates.create(ann, _draft("Level 6", "{{template:Level 5}}"))
    with pytest.raises(InvalidRequest, match="too long with those"):
        templates.create(ann, _draft("Long", "{{template:Level 0}}" * 8))
    templates.create(ann, _draft("Short", "y"))
    with pytest.raises(InvalidRequest, match="at most 50 others"):
        templates.create(ann, _draft("Many", "{{template:Short}}" * 51))
    wide = templates.create(ann, _draft("Wide", "{{words}}" * 30, Variable("words")))
    with pytest.raises(InvalidRequest, match=f"at most {MAX_FILLED_CHARS:,}"):
        templates.filled(ann, wide.id, {"words": "z" * MAX_VALUE_CHARS})


def test_a_shared_template_asks_only_for_what_all_who_see_it_see(
    templates: Templates, ann: Principal, ben: Principal
) -> None:
    templates.create(ann, _draft("Rules", "Anns own rules."))
    with pytest.raises(InvalidRequest, match="'Memo', which is shared, and sees no private ones"):
        templates.create(ann, _draft("Memo", "{{template:Rules}}", sharing="shared"))
    templates.create(ann, _draft("Rules", "The rules of the house.", sharing="shared"))
    memo = templates.create(ann, _draft("Memo", "{{template:Rules}}", sharing="shared"))
    templates.create(ben, _draft("Rules", "Bens own rules."))
    assert templates.filled(ben, memo.id, {}).text == "The rules of the house."
    mine = templates.create(ben, _draft("Mine", "{{template:Rules}}"))
    assert templates.filled(ben, mine.id, {}).text == "Bens own rules."


def test_two_of_one_title_are_asked_for_by_id(templates: Templates, ann: Principal) -> None:
    templates.create(ann, _draft("Rules", "One."))
    templates.create(ann, _draft("RULES", "Two."))
    with pytest.raises(InvalidRequest, match="2 templates are called 'Rules'"):
        templates.create(ann, _draft("Memo", "{{template:Rules}}"))


def test_one_name_means_one_thing(templates: Templates, ann: Principal) -> None:
    templates.create(ann, _draft("Inner", "{{since}}", Variable("since", kind="date")))
    with pytest.raises(InvalidRequest, match="use the name since for different things"):
        templates.create(ann, _draft("Outer", "{{since}} {{template:Inner}}", Variable("since")))


def test_whoever_changed_it_meanwhile_is_not_overwritten(templates: Templates, ann: Principal) -> None:
    made = templates.create(ann, _draft("Mine", "One."))
    templates.change(ann, made.id, _draft("Mine", "Two."), after=1)
    with pytest.raises(Conflict):
        templates.change(ann, made.id, _draft("Mine", "Three."), after=1)
    assert templates.get(ann, made.id).text == "Two."


def test_uses_are_counted_by_all_who_see_it(
    templates: Templates, ann: Principal, ben: Principal, eve: Principal
) -> None:
    own = templates.create(ann, _draft("Own", "One."))
    shared = templates.create(ann, _draft("Shared", "Two.", sharing="shared"))
    shipped = next(head for head in templates.list(ann).rows if head.title == "Risk memo")
    for who in (ann, ben, eve):
        for template_id in (own.id, shared.id, shipped.id, new_id()):
            templates.used(who, template_id)
    assert [templates.get(ann, each).used for each in (own.id, shared.id, shipped.id)] == [1, 2, 3]
    assert next(head.used for head in templates.list(eve, sought="risk memo").rows) == 3


def test_a_list_is_searched_and_paged_with_the_shipped_ones_in_it(templates: Templates, ann: Principal) -> None:
    for title in ("Aardvark", "news of a day", "Zebra", "Élan", "50 % off_"):
        templates.create(ann, _draft(title, f"About {title}.", category="Animals"))
    whole = templates.list(ann)
    titles = [head.title for head in whole.rows]
    assert titles == sorted(titles, key=str.lower)
    assert whole.next_place is None
    found, after = [], None
    while True:
        page = templates.list(ann, after=after, most=3)
        found += [head.title for head in page.rows]
        after = page.next_place
        if after is None:
            break
    assert found == titles
    assert _titles(templates, ann, sought="0 % OFF_") == ["50 % off_"]
    assert _titles(templates, ann, sought="%") == ["50 % off_"]
    assert _titles(templates, ann, sought="\x00\ud800") == _titles(templates, ann)
    assert len(templates.list(ann, category="animals").rows) == 5
    assert "Risk memo" in [head.title for head in templates.list(ann, category="Risk").rows]
    assert templates.categories(ann)[0] == "Animals"
    for place in ("x", "e30=", "WyJhIiwgMV0="):
        with pytest.raises(InvalidRequest, match="cursor"):
            templates.list(ann, after=place)


def test_a_user_keeps_a_bounded_number(templates: Templates, ann: Principal, database: Database) -> None:
    with database.app(ann) as connection:
        for number in range(MAX_TEMPLATES):
            values = {"sharing": "private", "title": f"T{number}", "category": "A", "description": "", "text": "x"}
            templates_dao.add(connection, new_id(), (ann.org_id, ann.user_id), {**values, "variables": []})
    with pytest.raises(InvalidRequest, match="You have 200 templates"):
        templates.create(ann, _draft("One more", "Text."))


def test_the_app_role_writes_no_public_template(ann: Principal, database: Database) -> None:

    values = {"sharing": "public", "title": "T", "category": "A", "description": "", "text": "x", "variables": []}
    with pytest.raises(ProgrammingError, match="row-level security"), database.app(ann) as connection:
        templates_dao.add(connection, new_id(), (ann.org_id, ann.user_id), values)


def test_what_is_shipped_stays_as_it_is(templates: Templates, ann: Principal) -> None:
    shipped = [head for head in templates.list(ann).rows if head.is_shipped]
    assert len(shipped) >= 12
    operator = replace(ann, is_operator=True)
    for head in shipped:
        template = templates.get(ann, head.id)
        given: dict[str, object] = {
            each.name: {"symbol": "MSFT", "date": "2024-03-01"}.get(each.kind, "words")
            for each in template.inputs
            if each.is_required and not each.default
        }
        assert templates.filled(ann, head.id, given).text
        with pytest.raises(Forbidden, match="comes with the workbench"):
            templates.change(operator, head.id, _draft("Mine", "Text."))
        with pytest.raises(Forbidden, match="comes with the workbench"):
            templates.delete(operator, head.id)


def test_ids_that_name_nothing_are_not_found(templates: Templates, ann: Principal) -> None:
    nothing: UUID = new_id()
    for step in (templates.get, templates.delete):
        with pytest.raises(NotFound):
            step(ann, nothing)
    with pytest.raises(NotFound):
        templates.filled(ann, nothing, {})
