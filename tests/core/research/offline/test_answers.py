"""What is said of what the tools returned."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.research.offline.asking import LABEL, answered

CLOSE = {"day": "2010-04-30", "close": 261.09}
HISTORY: dict[str, Any] = {
    "symbol": "AAPL",
    "currency": "USD",
    "first": "2010-04-01",
    "last": "2010-04-30",
    "sessions": 21,
    "last_close": CLOSE,
    "return_from": {"day": "2010-03-31", "close": 235.0},
    "highest_close": {"value": 270.83, "day": "2010-04-23"},
    "lowest_close": {"value": 235.97, "day": "2010-04-01"},
    "mean_close": 250.123,
    "return": 0.111021,
    "volatility": None,
    "max_drawdown": {"value": -0.0361, "peak": "2010-04-23", "trough": "2010-04-30"},
    "closes": [CLOSE],
}
LINE: dict[str, Any] = {
    "symbol": "AAPL",
    "name": "Apple Inc.",
    "quantity": 200.0,
    "value": 49928.0,
    "weight": 0.361737,
    "cost": 3411.82,
    "cost_per_share": 17.0591,
    "unrealised": 46516.18,
    "unrealised_share": 13.6338,
}
HOLDINGS: dict[str, Any] = {
    "currency": "USD",
    "day": "2010-08-20",
    "totals": {"value": 138022.95, "cash": 18161.65, "cash_share": 0.131584, "holdings": 9, "unrealised": None},
    "holdings": [LINE, {**LINE, "symbol": "GOOG", "name": "Google Inc.", "value": 36961.6}],
    "cash": [{"currency": "USD", "amount": 18161.65, "value": 18161.65}],
    "sectors": [{"sector": "Information Technology", "value": 99322.1, "share": 0.719606}],
    "currencies": [{"currency": "USD", "value": 138022.95, "share": 1.0}],
    "checks": [],
}
RETURNS: dict[str, Any] = {
    "currency": "USD",
    "first": "2009-01-01",
    "last": "2009-12-31",
    "value_end": 120000.0,
    "time_weighted": 0.770127,
    "time_weighted_annual": 0.77,
    "money_weighted": None,
    "money_weighted_note": "All flows are on one day.",
    "benchmark": "SP500",
    "benchmark_return": 0.234542,
    "difference": 0.535585,
    "max_drawdown": {
        "value": -0.0579,
        "peak": "2009-02-27",
        "trough": "2009-03-09",
        "recovery": None,
        "contributions_peak_to_trough": [
            {"symbol": "GOOG", "gain": -4604.8, "share": -0.0485},
            {"symbol": "AAPL", "gain": 12.0, "share": 0.0001},
        ],
    },
    "current_drawdown": -0.0943,
    "contributors": [{"symbol": "AAPL", "gain": 25076.4, "share": 0.287}],
    "detractors": [{"symbol": "XOM", "gain": -312.5, "share": -0.003}],
    "months": [{"period": "2009-03", "time_weighted": -0.02}, {"period": "2009-04", "time_weighted": 0.1121}],
    "years": [{"period": "2009", "time_weighted": 0.770127, "benchmark": 0.234542}],
    "missing_days": 0,
}
RISK: dict[str, Any] = {
    "first": "2009-01-01",
    "last": "2009-12-31",
    "n": 252,
    "benchmark": "SP500",
    "risk_free_rate": 0.04,
    "volatility": 0.232921,
    "sharpe": 0.473747,
    "beta": None,
}
ENTERED: dict[str, Any] = {
    "portfolio_currency": "USD",
    "first": None,
    "last": "2010-08-20",
    "count": 8,
    "first_day": "2000-04-17",
    "last_day": "2009-12-10",
    "fees": 275.4,
    "taxes": 0.0,
    "by_kind": [{"kind": "dividend", "count": 8, "amount": 289.5, "own_amounts": {"USD": 289.5}}],
    "rows": [
        {"day": "2000-04-17", "kind": "buy", "symbol": "AAPL", "quantity": 40.0, "price": 123.87, "currency": "USD"}
    ],
}
SCREEN: dict[str, Any] = {
    "universe": "the holdings",
    "conditions": "close is above the 200-day average",
    "day": "2010-08-20",
    "matches": 1,
    "members": 9,
    "screened": 9,
    "rows": [{"symbol": "AAPL", "name": "Apple Inc.", "close": 249.64, "sma_200": 230.51}],
    "not_shown": 0,
}
FILED = {"form": "10-K", "filed": "2010-05-22", "period": "2010-03-31", "outside": {"description": "Annual report"}}
STATEMENT: dict[str, Any] = {
    "symbol": "CHAMELI.NS",
    "statement": "income",
    "frequency": "annual",
    "currency": "INR",
    "periods": [
        {"start": "2009-04-01", "end": "2010-03-31", "form": "10-K", "filed": "2010-05-22"},
        {"start": "2008-04-01", "end": "2009-03-31", "form": "10-K", "filed": "2009-05-22"},
    ],
    "lines": [{"key": "revenue", "label": "Revenue", "values": [12510000000, 11000000000]}],
}
NEWS: dict[str, Any] = {
    "first": "2010-05-22",
    "last": "2010-08-20",
    "total": 1,
    "by_symbol": [{"symbol": "AROHICEM.NS", "articles": 1, "mean_score": -0.25}],
    "articles": [
        {
            "published": "2010-08-19T10:45+00:00",
            "tone": "negative",
            "outside": {"title": "Arohi Cement halts its second kiln <b>for repairs</b>", "publisher": "Wire"},
        }
    ],
}


@pytest.mark.parametrize(
    ("question", "result", "words"),
    [
        (
            "Apple's highest close in April 2010?",
            HISTORY,
            "highest close in April 2010 270.83 USD, on 23 April 2010 [1]",
        ),
        ("Apple's lowest close in April 2010?", HISTORY, "lowest close in April 2010 235.97 USD, on 1 April 2010 [1]"),
        ("Apple's average close in April 2010?", HISTORY, "average close in April 2010 250.12 USD"),
        ("Apple's return in April 2010?", HISTORY, "price return +11.10 % in April 2010 [1]. It closed"),
        (
            "Apple's max drawdown in April 2010?",
            HISTORY,
            "max drawdown in April 2010 −3.61 % [1]. The peak was on 23 April",
        ),
        ("Apple's volatility in April 2010?", HISTORY, "annualised volatility in April 2010 n/a"),
        ("Where did Apple close on 30 April 2010?", HISTORY, "close 261.09 USD on 30 April 2010 [1]"),
        ("Where did Apple close on 1 May 2010?", HISTORY, "There was no session on 1 May 2010; the close before it"),
        ("How much is my portfolio worth?", HOLDINGS, "total value is 138,022.95 USD on 20 August 2010 [1]"),
        ("how much cash do I have", HOLDINGS, "cash is 18,161.65 USD on 20 August 2010, cash share 13.16 %"),
        ("What share of the portfolio is Apple?", HOLDINGS, "AAPL (Apple): weight 36.17 % of the portfolio"),
        ("How many AAPL shares do I hold?", HOLDINGS, "AAPL (Apple): 200 shares, on 20 August 2010 [1]"),
        ("Unrealised gain on my Apple shares?", HOLDINGS, "unrealised gain +46,516.18 USD, +1,363.38 % of its cost"),
        ("my total unrealised gain?", HOLDINGS, "unrealised gain n/a"),
        ("How many holdings do I have?", HOLDINGS, "has 9 holdings on 20 August 2010 [1]"),
        ("largest sector?", HOLDINGS, "Information Technology sector: 71.96 % of the portfolio"),
        ("What percentage of the portfolio is in energy?", HOLDINGS, "nothing in the sector Energy"),
        ("How much of the portfolio is in dollars?", HOLDINGS, "In USD: 100.00 % of the portfolio"),
        ("my biggest holding", HOLDINGS, "Largest holding: AAPL (Apple Inc.), value 49,928.00 USD, weight 36.17 %"),
        ("my return in 2009", RETURNS, "time-weighted return in 2009 is +77.01 % [1]"),
        ("my money-weighted return in 2009", RETURNS, "is n/a by XIRR, yearly (All flows are on one day.)"),
        (
            "my return against the benchmark in 2009",
            RETURNS,
            "SP500 returned +23.45 % in 2009 [1]. The portfolio is ahead of",
        ),
        ("my best month in 2009", RETURNS, "best month was April 2009, return +11.21 % [1]"),
        ("my worst month in 2009", RETURNS, "worst month was March 2009, return −2.00 % [1]"),
        ("top contributor in 2009", RETURNS, "largest contribution in 2009: AAPL contribution +25,076.40 USD"),
        ("which holding cost me most in 2009?", RETURNS, "largest loss in 2009: XOM contribution −312.50 USD"),
        (
            "what drove my drawdown in 2009",
            RETURNS,
            "GOOG drove it most: contribution −4,604.80 USD from 27 February 2009",
        ),
        (
            "Volatility and Sharpe ratio in 2009?",
            RISK,
            "volatility 23.29 % and Sharpe ratio 0.474 in 2009 [1]; of 252 observations",
        ),
        ("my beta in 2009", RISK, "beta n/a in 2009 [1]"),
        ("What have I paid in fees?", ENTERED, "fees 275.40 USD in total up to 20 August 2010 [1]"),
        ("dividends I received?", ENTERED, "dividends 289.50 USD in total up to 20 August 2010, 8 dividends [1]"),
        (
            "When did I first buy Apple?",
            ENTERED,
            "first purchase was on 17 April 2000, AAPL 40 shares, price 123.87 USD",
        ),
        ("How many transactions are there?", ENTERED, "8 transactions up to 20 August 2010 [1]"),
        ("Which of my holdings are above their 200-day average?", SCREEN, "| AAPL | Apple Inc. | 249.64 | 230.51 |"),
        ("how many of my holdings are above their 200-day average?", SCREEN, "1 shares match, of 9 screened"),
        (
            "When did Chameli Soaps file its latest 10-K?",
            {"total": 3, "filings": [FILED]},
            "10-K was filed on 22 May 2010",
        ),
        ("How many 10-K filings of Chameli Soaps?", {"total": 3, "filings": [FILED]}, "3 10-K filings up to"),
        (
            "revenue of Chameli Soaps",
            STATEMENT,
            "revenue 12,510,000,000 INR for the period from 1 April 2009 to 31 March 2010",
        ),
        ("revenue of Chameli Soaps in March 2009", STATEMENT, "revenue 11,000,000,000 INR"),
        ("revenue of Chameli Soaps in 2004", STATEMENT, "no annual period that ends in that time is known"),
        ("gross profit of Chameli Soaps", STATEMENT, "gross profit was not reported, so it is n/a"),
        ("Why did Arohi Cement halt its second kiln?", NEWS, "halts its second kiln b for repairs /b”"),
        ("sentiment of Arohi Cement", NEWS, "sentiment -0.25 of 1 articles from 22 May 2010"),
    ],
)
def test_the_answer_tells_the_figure_its_window_and_its_step(question: str, result: dict[str, Any], words: str) -> None:
    told = answered(question, result)
    assert words in told
    assert told.endswith(LABEL)


def test_a_ratio_of_two_holdings_is_computed_by_the_tool() -> None:
    told = answered(
        "How many times larger is my Apple position than my Google position?", HOLDINGS, {"value": 1.350807}
    )
    assert "The ratio is 1.35 [2]: AAPL value 49,928.00 USD and GOOG value 36,961.60 USD" in told


def test_a_trade_that_is_tried_out_is_told_as_one() -> None:
    result = {
        "currency": "USD",
        "before": {"cash": 18161.65},
        "after": {"cash": 15665.25},
        "holdings": [{"symbol": "AAPL", "weight_after": 0.379824}],
    }
    told = answered("If I bought 10 more Apple shares, what would its weight be?", result)
    assert "AAPL (Apple): the new weight would be 37.98 % [1]" in told
    assert "cash would be 15,665.25 USD [1]" in told
    assert "Nothing was entered." in told


def test_text_from_outside_draws_nothing() -> None:
    hostile = "[click](http://evil.example) `code` <script> | cell | # head"
    articles = [{"published": "2010-08-19", "outside": {"title": hostile, "publisher": "Wire"}}]
    told = answered(
        "news on Arohi Cement", {"first": "2010-05-22", "last": "2010-08-20", "total": 1, "articles": articles}
    )
    assert "<" not in told
    assert "\\[click\\]" in told
    assert "\\`code\\`" in told


@pytest.mark.parametrize("result", [{}, {"holdings": "none"}, {"months": [{"period": 3}]}, {"quotes": [{}]}], ids=str)
@pytest.mark.parametrize(
    "question",
    [
        *("price of AAPL", "AAPL in 2009", "RSI of AAPL", "my holdings", "my biggest holding", "my return in 2009"),
        *(
            "my best month",
            "what drove my drawdown",
            "my volatility",
            "dividends in 2009",
            "news on AAPL",
            "my sectors",
        ),
        *("filings of AAPL", "revenue of AAPL", "hit rate of golden cross", "what if I sold 5 AAPL", "my cash"),
        *("which of my holdings are above their 50-day average", "which positions are at a loss", "my weight of AAPL"),
    ],
)
def test_a_result_of_an_unknown_form_is_told_without_failing(question: str, result: dict[str, Any]) -> None:
    assert LABEL in answered(question, result)


SALES: dict[str, Any] = {
    "count": 2,
    "portfolio_currency": "USD",
    "first": "2000-03-01",
    "last": "2010-08-20",
    "first_day": "2003-10-15",
    "last_day": "2010-05-06",
    "by_kind": [{"kind": "sell", "count": 1, "quantity": 60.0}, {"kind": "dividend", "count": 1}],
    "rows": [
        {"day": "2010-05-06", "kind": "dividend", "symbol": "IBM", "amount": 32.5, "currency": "USD"},
        {
            "day": "2003-10-15",
            "kind": "sell",
            "symbol": "IBM",
            "quantity": 60.0,
            "price": 92.74,
            "amount": 5564.4,
            "currency": "USD",
        },
    ],
}


def test_sums_of_transactions_stand_below_what_they_are() -> None:
    told = answered("list my transactions", SALES)
    assert "| Day | Kind | Symbol | Quantity | Price | Sold | Dividends |" in told
    assert "| 2003-10-15 | sell | IBM | 60 | 92.74 USD | 5,564.40 USD |  |" in told


def test_how_many_were_sold_and_when_is_told_as_a_number_and_the_days() -> None:
    told = answered("How many IBM did I sell, and when?", SALES)
    assert "60 shares in 1 sales" in told
    assert "| 2003-10-15 | sell |" in told


def test_a_year_that_was_entered_late_is_told_with_its_days() -> None:
    years = [{"period": "2000", "time_weighted": -0.3175}, {"period": "2001", "time_weighted": 0.2723}]
    told = answered("my yearly returns", {"first": "2000-03-01", "last": "2001-12-31", "years": years})
    assert "| 2000-03-01 to 2000-12-31 | −31.75 % |" in told
    assert "| 2001 | +27.23 % |" in told


def test_a_day_that_is_none_is_not_answered_for_another() -> None:
    assert "there is no day “31 February 2010”" in answered("What was my value on 31 February 2010?")
