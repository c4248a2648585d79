"""`/api/portfolios`: settings, transactions as JSON and as files, what is held and how it did, over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest

from core.http.portfolio_models import ContributionAnswer, DayAnswer
from core.http.routes.portfolio_files import MAX_FILE_BYTES
from core.principal import Principal, Role, Scope
from tests.core.http.conftest import Api, assert_problem

DEPOSIT = {"kind": "deposit", "date": "2010-01-04", "currency": "USD", "amount": "100000"}
BUY = {
    "kind": "buy",
    "date": "2010-01-05",
    "currency": "USD",
    "symbol": "AAPL",
    "quantity": "10",
    "price": "214.38",
    "fees": "9.95",
}
SELL = {"kind": "sell", "date": "2010-03-01", "currency": "USD", "symbol": "AAPL", "quantity": "4", "price": "208.99"}
CSV = (
    "Date,Kind,Symbol,Quantity,Price,Amount,Currency,Fees\r\n"
    "2010-01-04,Deposit,,,,100000,USD,\r\n"
    "2010-01-05,Buy,AAPL,10,214.38,,USD,9.95\r\n"
    "2010-03-01,Sell,AAPL,4,208.99,,USD,\r\n"
)


@pytest.fixture
def maker(api: Api) -> Principal:
    return api.member("ann", org="Acme", plan="team", role=Role.ANALYST)


@pytest.fixture
def ann(api: Api, maker: Principal) -> Iterator[httpx2.Client]:
    with api.client(maker) as client:
        yield client


@pytest.fixture
def path(ann: httpx2.Client) -> str:
    """Address of a portfolio of ann's."""
    made = ann.post("/portfolios", json={"name": "Money"})
    assert made.status_code == 201, made.text
    return f"/portfolios/{made.json()['id']}"


def _entered(client: httpx2.Client, path: str, *transactions: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(f"{path}/transactions", json={"transactions": list(transactions)})
    assert answer.status_code == 201, answer.text
    rows: list[dict[str, Any]] = answer.json()["transactions"]
    return rows


def _sent(client: httpx2.Client, path: str, content: str | bytes, **query: Any) -> httpx2.Response:
    headers = {"Content-Type": "text/csv"}
    return client.post(f"{path}/transactions", content=content, headers=headers, params=query)


def test_a_portfolio_is_made_read_changed_and_deleted(ann: httpx2.Client) -> None:
    made = ann.post("/portfolios", json={"name": "Money", "currency": "eur", "cost_method": "average"}).json()
    assert (made["name"], made["currency"], made["cost_method"], made["has_cash"]) == ("Money", "EUR", "average", True)
    assert (made["is_own"], made["may_edit"], made["number"], made["benchmark"]) == (True, True, 0, None)
    path = f"/portfolios/{made['id']}"
    assert ann.get(path).json() == made
    assert ann.get("/portfolios").json() == {"portfolios": [made], "limit": None}
    changed = ann.patch(path, json={"benchmark": "sp500", "shared_with": "viewer"}).json()
    kept = {**made, "benchmark": "SP500", "shared_with": "viewer", "updated_at": changed["updated_at"]}
    assert changed == kept
    assert ann.patch(path, json={"benchmark": None}).json()["benchmark"] is None
    assert ann.patch(path, json={}).json()["shared_with"] == "viewer"
    assert ann.delete(path).status_code == 204
    assert_problem(ann.get(path), 404, "not_found")


def test_the_limit_of_the_plan_is_plan_required(api: Api) -> None:
    with api.client(api.member("bob", plan="free")) as bob:
        assert bob.get("/portfolios").json()["limit"] == 1
        path = f"/portfolios/{bob.post('/portfolios', json={'name': 'One'}).json()['id']}"
        problem = assert_problem(bob.post("/portfolios", json={"name": "Two"}), 403, "plan_required")
        assert "The plan Free has room for one portfolio" in str(problem["detail"])
        _entered(bob, path, *({**BUY, "symbol": f"S{number}"} for number in range(10)))
        assert_problem(bob.post(f"{path}/transactions", json=BUY), 403, "plan_required")
        _entered(bob, path, {**BUY, "symbol": "S1"})


def test_roles_and_other_organisations(api: Api, ann: httpx2.Client, path: str) -> None:
    _entered(ann, path, DEPOSIT)
    viewer = api.member("viewer", org="Acme", plan="team", role=Role.VIEWER)
    analyst = api.member("analyst", org="Acme", plan="team", role=Role.ANALYST)
    stranger = api.member("stranger", plan="team")
    with api.client(viewer) as v, api.client(analyst) as a, api.client(stranger) as s, api.client() as nobody:
        for client in (v, a, s):
            assert_problem(client.get(path), 404, "not_found")
            assert_problem(client.get(f"{path}/transactions"), 404, "not_found")
            assert_problem(client.get(f"{path}/holdings"), 404, "not_found")
            assert_problem(client.get(f"{path}/performance"), 404, "not_found")
            assert_problem(client.get(f"{path}/transactions.csv"), 404, "not_found")
        ann.patch(path, json={"shared_with": "viewer", "edited_with": "analyst"})
        assert len(v.get(f"{path}/transactions").json()["transactions"]) == 1
        assert v.get(path).json()["may_edit"] is False
        assert_problem(v.post(f"{path}/transactions", json=DEPOSIT), 403, "forbidden")
        assert_problem(_sent(v, path, CSV), 403, "forbidden")
        assert a.post(f"{path}/transactions", json=DEPOSIT).status_code == 201
        assert_problem(a.patch(path, json={"name": "Mine"}), 403, "forbidden")
        assert_problem(a.delete(path), 403, "forbidden")
        assert_problem(s.post(f"{path}/transactions", json=DEPOSIT), 404, "not_found")
        assert_problem(_sent(s, path, CSV), 404, "not_found")
        assert_problem(nobody.post(f"{path}/transactions", json=DEPOSIT), 401, "unauthenticated")
        assert_problem(_sent(nobody, path, CSV), 401, "unauthenticated")


def test_transactions_are_entered_and_read(ann: httpx2.Client, path: str) -> None:
    answer = ann.post(f"{path}/transactions", json=DEPOSIT)
    assert answer.status_code == 201
    [deposit] = answer.json()["transactions"]
    assert (deposit["number"], deposit["kind"], deposit["amount"], deposit["in_force"]) == (
        1,
        "deposit",
        "100000",
        True,
    )
    [buy, _] = _entered(ann, path, BUY, SELL)
    told = {name: buy[name] for name in BUY}
    assert told == BUY
    assert (buy["amount"], buy["taxes"], buy["fx_rate"], buy["reversed_by"], buy["author"]) == (
        None,
        "0",
        None,
        None,
        "ann",
    )
    page = ann.get(f"{path}/transactions").json()
    assert [row["number"] for row in page["transactions"]] == [3, 2, 1]
    assert page["next_cursor"] is None
    assert page["transactions"][1] == buy


def test_transactions_are_paged_and_filtered(ann: httpx2.Client, path: str) -> None:
    _entered(
        ann, path, DEPOSIT, BUY, {**BUY, "symbol": "MSFT", "date": "2010-01-06"}, SELL, {**BUY, "date": "2010-01-03"}
    )
    seen: list[int] = []
    cursor = None
    for _ in range(3):
        page = ann.get(f"{path}/transactions", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["number"] for row in page["transactions"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == ([4, 3, 2, 1, 5], None)

    def numbers(**query: str) -> list[int]:
        return [row["number"] for row in ann.get(f"{path}/transactions", params=query).json()["transactions"]]

    assert numbers(symbol="aapl") == [4, 2, 5]
    assert numbers(kind="buy", symbol="AAPL") == [2, 5]
    assert numbers(**{"from": "2010-01-05", "to": "2010-01-06"}) == [3, 2]
    for query, word in (
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "AAAAAAAAAAA="}, "cursor"),
        ({"from": "5/1/2010"}, "from"),
        ({"kind": "gift"}, "kind"),
        ({"limit": "0"}, "limit"),
        ({"sort": "day"}, "sort"),
    ):
        problem = assert_problem(ann.get(f"{path}/transactions", params=query), 422, "invalid_request")
        assert f"field {word}" in str(problem["detail"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({**BUY, "quantity": None}, "A buy needs a quantity."),
        ({**BUY, "ratio": "2"}, "A buy has no ratio."),
        ({**BUY, "quantity": "ten"}, "quantity"),
        ({**BUY, "quantity": True}, "quantity"),
        ({**BUY, "quantity": "NaN"}, "quantity"),
        ({**BUY, "quantity": "1e400"}, "quantity"),
        ({**BUY, "date": "2999-01-01"}, "in the future"),
        ({**BUY, "quantity": "1_000"}, "The field quantity is not valid: give a decimal number"),
        ({**BUY, "quantity": "\u0661\u0662"}, "quantity"),
        ({**BUY, "date": "05.01.2010"}, "date"),
        ({**BUY, "date": "2010-W01-1"}, "The field date is not valid: give a date"),
        ({**BUY, "date": "20100104"}, "date"),
        ({**BUY, "kind": "gift"}, "kind"),
        ({**BUY, "symbol": "no such symbol at all"}, "A symbol has 1 to 20"),
        ({**BUY, "colour": "red"}, "There is no field colour"),
        ({"transactions": []}, "transactions"),
        ({"transactions": [DEPOSIT, {**SELL, "quantity": None}]}, "Transaction 2 of 2: A sell needs a quantity."),
        ({"transactions": [DEPOSIT, SELL]}, "2010-03-01"),
        ({}, "missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_is_refused_in_words_and_nothing_is_entered(
    ann: httpx2.Client, path: str, given: dict[str, Any], words: str
) -> None:
    problem = assert_problem(ann.post(f"{path}/transactions", json=given), 422, "invalid_request")
    assert words in str(problem["detail"])
    assert not ann.get(f"{path}/transactions").json()["transactions"]


def test_numbers_of_json_are_taken_by_their_digits(ann: httpx2.Client, path: str) -> None:
    [row] = _entered(ann, path, {**BUY, "quantity": 0.1, "price": 214})
    assert (row["quantity"], row["price"]) == ("0.1", "214")


def test_the_same_key_enters_once(ann: httpx2.Client, path: str) -> None:
    headers = {"Idempotency-Key": "monday"}
    first = ann.post(f"{path}/transactions", json=BUY, headers=headers)
    again = ann.post(f"{path}/transactions", json=dict(reversed(BUY.items())), headers=headers)
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert_problem(ann.post(f"{path}/transactions", json=DEPOSIT, headers=headers), 409, "conflict")
    assert_problem(ann.post(f"{path}/transactions", json=BUY, headers={"Idempotency-Key": ""}), 422, "invalid_request")
    assert len(ann.get(f"{path}/transactions").json()["transactions"]) == 1


def test_a_transaction_is_reversed_and_corrected_by_rows(ann: httpx2.Client, path: str) -> None:
    [buy, _] = _entered(ann, path, BUY, SELL)
    problem = assert_problem(ann.post(f"{path}/transactions/{buy['id']}/reverse", json={}), 422, "invalid_request")
    assert "would not hold any more" in str(problem["detail"])
    right = ann.post(f"{path}/transactions/{buy['id']}/correct", json={**BUY, "price": "214.40"})
    assert (right.status_code, right.json()["price"], right.json()["number"]) == (201, "214.4", 4)
    rows = {row["number"]: row for row in ann.get(f"{path}/transactions").json()["transactions"]}
    assert (rows[1]["in_force"], rows[1]["reversed_by"], rows[3]["reverses"]) == (False, rows[3]["id"], buy["id"])
    assert_problem(ann.post(f"{path}/transactions/{buy['id']}/reverse", json={}), 409, "conflict")
    for missing in (str(uuid4()), "x"):
        assert_problem(ann.post(f"{path}/transactions/{missing}/reverse", json={}), 404, "not_found")
    reversal = ann.post(f"{path}/transactions/{rows[2]['id']}/reverse", json={"note": "not mine"})
    assert (reversal.status_code, reversal.json()["note"]) == (201, "not mine")


def test_a_dry_run_tells_every_rows_fate_and_enters_nothing(ann: httpx2.Client, path: str) -> None:
    answer = _sent(ann, path, CSV, dry_run="true")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["is_dry_run"], told["is_imported"], told["import_id"]) == (True, False, None)
    assert [(row["line"], row["fate"]) for row in told["rows"]] == [(2, "added"), (3, "added"), (4, "added")]
    assert told["counts"]["added"] == 3
    [read] = told["rows"][1]["transactions"]
    assert (read["kind"], read["date"], read["symbol"], read["quantity"]) == ("buy", "2010-01-05", "AAPL", "10")
    assert not ann.get(f"{path}/transactions").json()["transactions"]


def test_a_file_is_imported_once(ann: httpx2.Client, path: str) -> None:
    answer = _sent(ann, path, CSV, file_name="trades.csv")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["is_imported"], answer.json()["file_name"]) == (True, "trades.csv")
    again = _sent(ann, path, CSV)
    assert (again.status_code, again.json()["import_id"], again.json()["counts"]["known"]) == (200, None, 3)
    form = ann.post(f"{path}/transactions", files={"file": ("again.csv", CSV.encode(), "text/csv")})
    assert (form.status_code, form.json()["file_name"]) == (200, "again.csv")
    rows = ann.get(f"{path}/transactions").json()["transactions"]
    assert len(rows) == 3
    assert {row["import_id"] for row in rows} == {answer.json()["import_id"]}


def test_import_parameters_are_read_from_a_form_and_refused_with_json(ann: httpx2.Client, path: str) -> None:
    files = {"file": ("a.csv", CSV.encode(), "text/csv")}
    told = ann.post(f"{path}/transactions", data={"dry_run": "true"}, files=files)
    assert (told.status_code, told.json()["is_dry_run"], told.json()["counts"]["added"]) == (200, True, 3)
    cases: tuple[tuple[dict[str, Any], dict[str, str], str], ...] = (
        ({"dryrun": "true"}, {}, "dryrun"),
        ({"dry_run": "perhaps"}, {}, "dry_run"),
        ({"dry_run": "true"}, {"dry_run": "false"}, "dry_run"),
        ({"dry_run": ["true", "false"]}, {}, "dry_run"),
    )
    for data, query, word in cases:
        answer = ann.post(f"{path}/transactions", data=data, params=query, files=files)
        assert word in str(assert_problem(answer, 422, "invalid_request")["detail"])
    answer = ann.post(f"{path}/transactions", json=DEPOSIT, params={"dry_run": "true"})
    assert "field dry_run is of files" in str(assert_problem(answer, 422, "invalid_request")["detail"])
    assert not ann.get(f"{path}/transactions").json()["transactions"]


def test_the_same_key_imports_one_file(ann: httpx2.Client, path: str) -> None:
    def send(content: str) -> httpx2.Response:
        headers = {"Content-Type": "text/csv", "Idempotency-Key": "monday"}
        return ann.post(f"{path}/transactions", content=content, headers=headers, params={"file_name": "a.csv"})

    first, again = send(CSV), send(CSV)
    assert (first.status_code, "idempotency-replayed" in first.headers) == (201, False)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    told = again.json()
    assert (told["import_id"], told["counts"], told["rows"]) == (first.json()["import_id"], {"added": 3}, [])
    assert told["words"].endswith(": 3 transactions were added.")
    assert_problem(send(CSV + "2010-03-02,Sell,AAPL,1,208.99,,USD,\r\n"), 409, "conflict")
    assert len(ann.get(f"{path}/transactions").json()["transactions"]) == 3


def test_a_program_is_not_read_by_what_was_chosen_before(ann: httpx2.Client, path: str) -> None:
    """A currency that was chosen once was taken for later files, into portfolios of another one."""
    content = "Date,Kind,Amount,Memo\n2010-01-05,Deposit,5.5,q\n"
    assert _sent(ann, path, content, currency="EUR").status_code == 201
    other = f"/portfolios/{ann.post('/portfolios', json={'name': 'Other', 'currency': 'GBP'}).json()['id']}"
    assert _sent(ann, other, content).status_code == 201
    assert [row["currency"] for row in ann.get(f"{other}/transactions").json()["transactions"]] == ["GBP"]


@pytest.mark.parametrize("note", ["a\0b", "a\ud800b"], ids=["nul", "surrogate"])
def test_a_note_that_cannot_be_kept_is_an_answer_and_no_failure(ann: httpx2.Client, path: str, note: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = ann.post(f"{path}/transactions", content=json.dumps({**DEPOSIT, "note": note}), headers=headers)
    assert answer.status_code in (201, 422), answer.text
    [row] = _entered(ann, path, DEPOSIT)
    corrected = ann.post(
        f"{path}/transactions/{row['id']}/correct", content=json.dumps({**DEPOSIT, "note": note}), headers=headers
    )
    assert corrected.status_code == answer.status_code
    activity = {"date": "2010-01-05", "type": "BUY", "symbol": "AAPL", "quantity": 1, "unitPrice": 2, "fee": 0}
    ghostfolio = json.dumps({"activities": [{**activity, "currency": "USD", "comment": note}]})
    assert _sent(ann, path, ghostfolio, dry_run="true").json()["counts"]["added"] == 1
    assert _sent(ann, path, ghostfolio).status_code == 201
    notes = [each["note"] for each in ann.get(f"{path}/transactions").json()["transactions"]]
    assert "a b" in notes


def test_a_file_with_a_refused_row_is_not_imported_unless_that_row_is_left_out(ann: httpx2.Client, path: str) -> None:
    content = CSV + "2010-04-01,Sell,AAPL,400,208.99,,USD,\r\n"
    refused = _sent(ann, path, content)
    problem = assert_problem(refused, 422, "invalid_request")
    told = refused.json()["import"]
    assert (told["is_imported"], [row["fate"] for row in told["rows"]][-1]) == (False, "refused")
    assert "AAPL" in told["rows"][-1]["reason"]
    assert problem["detail"] == told["words"]
    assert not ann.get(f"{path}/transactions").json()["transactions"]
    assert _sent(ann, path, content, leaves_out_refused="true").status_code == 201
    assert len(ann.get(f"{path}/transactions").json()["transactions"]) == 3


def test_an_export_is_taken_back_as_it_is(ann: httpx2.Client, path: str) -> None:
    _entered(ann, path, DEPOSIT, BUY, SELL, {**DEPOSIT, "note": "=1+1", "amount": "1.5"})
    exported = ann.get(f"{path}/transactions.csv")
    assert exported.headers["content-type"].startswith("text/csv")
    assert "attachment" in exported.headers["content-disposition"]
    other = f"/portfolios/{ann.post('/portfolios', json={'name': 'Other'}).json()['id']}"
    assert _sent(ann, other, exported.content).status_code == 201
    assert ann.get(f"{other}/transactions.csv").content == exported.content
    assert _sent(ann, path, exported.content).json()["counts"]["known"] == 4


@pytest.mark.parametrize(
    ("content_type", "content", "words"),
    [
        ("text/html", b"<p>", "Send transactions as JSON"),
        ("", b"x", "Send transactions as JSON"),
        ("application/json", b"[1]", "The body must be a JSON object."),
        ("application/json", b"{", "The body is not valid JSON."),
        ("multipart/form-data", b"x", "The form cannot be read"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
            "field file",
        ),
    ],
    ids=["html", "no type", "a list", "no JSON", "no boundary", "no file"],
)
def test_a_body_that_is_nothing_we_take_is_refused(
    ann: httpx2.Client, path: str, content_type: str, content: bytes, words: str
) -> None:
    answer = ann.post(f"{path}/transactions", content=content, headers={"Content-Type": content_type})
    assert words in str(assert_problem(answer, 422, "invalid_request")["detail"])


def test_a_file_of_a_hundred_megabytes_is_refused_before_it_is_read(
    api: Api, ann: httpx2.Client, path: str, maker: Principal
) -> None:
    where, token = urlsplit(api.base_url), api.token(maker)
    head = (
        f"POST {where.path}{path}/transactions HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {100 * 1024 * 1024}\r\n\r\nDate,Kind\r\n"
    )
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = b""
        while b'"payload_too_large"' not in answer and (piece := connection.recv(65_536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"payload_too_large"' in answer
    chunks = (b"x" * 1_048_576 for _ in range(MAX_FILE_BYTES // 1_048_576 + 2))
    headers = {"Content-Type": "text/csv"}
    try:
        streamed = ann.post(f"{path}/transactions", content=chunks, headers=headers)
    except httpx2.WriteError:
        return  # it hung up while we went on sending
    assert_problem(streamed, 413, "payload_too_large")


def test_json_has_the_limit_of_all_bodies(ann: httpx2.Client, path: str) -> None:
    content = json.dumps({"transactions": [{**BUY, "note": "x" * 400}] * 3_000})
    answer = ann.post(f"{path}/transactions", content=content, headers={"Content-Type": "application/json"})
    assert_problem(answer, 413, "payload_too_large")


def test_a_scope_to_read_enters_nothing(api: Api, ann: httpx2.Client, path: str, maker: Principal) -> None:
    token = api.workbench.tokens.create(maker, "reader", scopes=[Scope.READ], days=1)
    with httpx2.Client(base_url=api.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as reader:
        assert reader.get(f"{path}/transactions").status_code == 200
        assert_problem(reader.post(f"{path}/transactions", json=BUY), 403, "forbidden")
        assert_problem(_sent(reader, path, CSV), 403, "forbidden")
        assert_problem(reader.post("/portfolios", json={"name": "Mine"}), 403, "forbidden")


def test_what_is_held_is_told_with_source_and_age(ann: httpx2.Client, path: str) -> None:
    _entered(ann, path, DEPOSIT, BUY, SELL)
    told = ann.get(f"{path}/holdings").json()
    [line] = told["holdings"]
    assert (line["symbol"], line["quantity"], line["currency"]) == ("AAPL", "6", "USD")
    assert line["lots"][0]["acquired"] == "2010-01-05"
    assert isinstance(line["cost"], str)
    assert {"price", "source", "as_of", "is_stale"} <= set(line["price"])
    [cash] = told["cash"]
    assert cash["currency"] == "USD"
    assert float(cash["amount"]) == pytest.approx(100_000 - 2_143.80 - 9.95 + 835.96)
    assert told["number"] == 3
    assert {"value", "time_weighted", "money_weighted"} <= set(told["summary"])
    assert "NaN" not in json.dumps(told)


def test_returns_are_told_of_a_window_beside_a_benchmark(ann: httpx2.Client, path: str) -> None:
    _entered(ann, path, DEPOSIT, BUY, SELL)
    told = ann.get(f"{path}/performance", params={"from": "2010-02-01", "to": "2010-04-30"}).json()
    assert {"time_weighted", "money_weighted", "explanation", "days", "months", "years"} <= set(told)
    assert all("2010-01-29" <= day["date"] <= "2010-04-30" for day in told["days"])
    money = [day[name] for day in told["days"] for name in ("value", "contributions", "benchmark_value") if day[name]]
    money += [each["gain"] for each in told["contributors"]]
    assert all(isinstance(amount, str) and len(amount.partition(".")[2]) <= 2 for amount in money)
    assert "NaN" not in json.dumps(told)
    for query, word in (
        ({"from": "x"}, "from"),
        ({"to": "2010-02-30"}, "to"),
        ({"to": "20100220"}, "to"),
        ({"from": "2010-02-02", "to": "2010-02-01"}, "from"),
        ({"until": "2010-02-01"}, "until"),
    ):
        problem = assert_problem(ann.get(f"{path}/performance", params=query), 422, "invalid_request")
        assert f"field {word}" in str(problem["detail"])


def test_money_of_a_curve_is_told_as_decimals() -> None:
    day = DayAnswer(
        date=date(2010, 1, 5),
        value=0.1 + 0.2,
        contributions=100_000.100_000_001,
        index=1.23456,
        benchmark_value=None,
        benchmark_index=None,
    )
    told = day.model_dump()
    assert (told["value"], told["contributions"], told["benchmark_value"]) == ("0.3", "100000.1", None)
    assert told["index"] == 1.23456
    gain = ContributionAnswer(symbol="AAPL", gain=-12.345_678, share=0.5, time_weighted=None)
    assert gain.model_dump()["gain"] == "-12.35"


def test_an_empty_portfolio_has_figures_that_are_not_defined(ann: httpx2.Client, path: str) -> None:
    told = ann.get(f"{path}/holdings").json()
    assert (told["holdings"], told["cash"], told["summary"]["time_weighted"]["value"]) == ([], [], None)
    assert ann.get(f"{path}/performance").json()["time_weighted"]["value"] is None


@pytest.mark.parametrize("portfolio_id", ["x", "0", str(uuid4())], ids=["x", "0", "unknown"])
def test_an_id_that_is_none_is_not_found(ann: httpx2.Client, portfolio_id: str) -> None:
    path = f"/portfolios/{portfolio_id}"
    for answer in (
        ann.get(path),
        ann.patch(path, json={}),
        ann.delete(path),
        ann.get(f"{path}/transactions"),
        ann.post(f"{path}/transactions", json=BUY),
        _sent(ann, path, CSV),
        ann.get(f"{path}/holdings"),
        ann.get(f"{path}/performance"),
    ):
        assert_problem(answer, 404, "not_found")
