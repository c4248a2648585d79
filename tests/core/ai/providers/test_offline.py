"""The offline glossary: what it finds, how it counts, and what it says when it cannot answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from core.ai.providers.contract import ChatRequest, Message, TokenUsage, ToolCall, ToolSpec
from core.ai.providers.glossary import Glossary
from core.ai.providers.offline import OFFLINE_MODEL, Offline, answer, count_prompt, count_tokens
from core.ai.providers.registry import GLOSSARY
from core.errors import ConfigurationError, ProviderBroke, ProviderRejectedRequest
from tests.core.ai.providers.conftest import LIMITS, ask, events

FILE = """\
entries:
  - term: Diversification
    aliases: [portfolio diversification]
    definition: Holding things that do not all move together, so that one loss hurts less.
  - term: Beta
    definition: How much a holding tends to move when its benchmark moves by one percent.
    related: [Diversification]
"""


@pytest.fixture(scope="module")
def glossary() -> Glossary:
    return Glossary.load(GLOSSARY)


def _terms(glossary: Glossary, question: str) -> list[str]:
    return [entry.term for entry in glossary.match(question).entries]


def _answer(glossary: Glossary, question: str) -> str:
    return answer(glossary, [Message("user", question)])


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("What is portfolio diversification?", "Diversification"),
        ("  what IS   portfolio\nDiversification ", "Diversification"),
        ("What's an ETF?", "ETF"),
        ("explain bonds", "Bond"),
        ("bond duration", "Duration"),
        ("what does an inverted yield curve mean", "Yield curve"),
        ("Sharpe ratio formula", "Sharpe ratio"),
        ("What is beta?", "Beta"),
        ("alpha", "Alpha"),
        ("maximum drawdown", "Drawdown"),
        ("P/E", "P/E ratio"),
        ("p / e ratio", "P/E ratio"),
        ("price to earnings", "P/E ratio"),
        ("earnings per share", "EPS"),
        ("market cap", "Market capitalisation"),
        ("dividends", "Dividend"),
        ("stock split", "Stock split"),
        ("RSI", "RSI"),
        ("macd?", "MACD"),
        ("moving averages", "Moving average"),
        ("Bollinger bands", "Bollinger Bands"),
        ("stop-loss", "Stop loss"),
        ("VaR", "Value at risk"),
        ("correlation", "Correlation"),
        ("index funds", "Index fund"),
        ("10-K", "10-K"),
        ("what is a 10 q", "10-Q"),
        ("8-K", "8-K"),
        ("the SEC", "SEC"),
        ("short selling", "Short selling"),
        ("options", "Option"),
        ("liquidity", "Liquidity"),
        ("inflation", "Inflation"),
        ("GDP", "GDP"),
        ("What is diversificaton?", "Diversification"),
        ("volatilty", "Volatility"),
    ],
)
def test_a_question_finds_its_term(glossary: Glossary, question: str, term: str) -> None:
    assert _terms(glossary, question) == [term]
    assert glossary.match(question).is_whole


def test_every_name_of_every_entry_finds_it(glossary: Glossary) -> None:
    assert len(glossary.entries) >= 120
    for entry in glossary.entries:
        for name in entry.names:
            assert _terms(glossary, f"What is {name}?") == [entry.term], name


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("Compare alpha and beta", ["Alpha", "Beta"]),
        ("What is the difference between an ETF and a mutual fund?", ["ETF", "Mutual fund"]),
        ("Sharpe vs Sortino", ["Sharpe ratio", "Sortino ratio"]),
        ("RSI versus MACD", ["RSI", "MACD"]),
        ("alpha and beta and RSI and MACD", ["Alpha", "Beta", "RSI"]),
    ],
)
def test_a_comparison_gives_each_term(glossary: Glossary, question: str, terms: list[str]) -> None:
    assert _terms(glossary, question) == terms
    assert all(f"{term}: " in _answer(glossary, question) for term in terms)


def test_the_longer_of_two_overlapping_names_counts(glossary: Glossary) -> None:
    assert _terms(glossary, "dividend yield") == ["Dividend yield"]
    assert _terms(glossary, "yield to maturity") == ["Yield to maturity"]


@pytest.mark.parametrize("question", ["Will it rain in Paris?", "hello", "Write a poem", "?", "日本", "x" * 20_000])
def test_without_an_entry_it_says_what_it_is_and_what_it_needs(glossary: Glossary, question: str) -> None:
    told = _answer(glossary, question)
    nearest = glossary.match(question).nearest

    assert "offline glossary" in told
    assert "cannot reason" in told
    assert "OPENAI_API_KEY" in told
    assert len(nearest) == 3
    assert all(term in told for term in nearest)


@pytest.mark.parametrize(
    "question", ["What is the P/E ratio of Apple right now?", "Should I buy 100 TSLA with a stop loss?"]
)
def test_a_question_that_asks_more_than_a_term_is_told_so(glossary: Glossary, question: str) -> None:
    told = _answer(glossary, question)

    assert "cannot answer the rest of the question" in told
    assert "OPENAI_API_KEY" in told


def test_a_whole_answer_ends_with_nothing_more(glossary: Glossary) -> None:
    assert "OPENAI_API_KEY" not in _answer(glossary, "What is portfolio diversification?")


def test_only_the_last_user_message_counts(glossary: Glossary) -> None:
    talk = [
        Message("user", "What is beta?"),
        Message("assistant", "Beta is alpha."),
        Message("user", "And inflation?"),
        Message("assistant", "GDP"),
        Message("system", "RSI"),
    ]

    assert answer(glossary, talk).startswith("Inflation: ")
    assert "offline glossary" in answer(glossary, [])


def test_the_same_question_has_the_same_answer() -> None:
    texts = {"".join(events(Offline(GLOSSARY).chat(ask(model=OFFLINE_MODEL), LIMITS))[0]) for _ in range(3)}

    assert len(texts) == 1


def test_tokens_are_words_and_punctuation_marks(glossary: Glossary) -> None:
    request = ChatRequest(OFFLINE_MODEL, (Message("user", "What's a bond?"),), 1000, 0.7)
    texts, finish = events(Offline(GLOSSARY).chat(request, LIMITS))

    text = "".join(texts)
    assert text == _answer(glossary, "What's a bond?")
    assert count_tokens("What's a bond?") == 6
    assert finish.usage == TokenUsage(6, len(texts))
    assert count_tokens(text) == len(texts)


@pytest.mark.parametrize("max_tokens", [0, 1, 7])
def test_an_answer_is_cut_at_max_tokens(max_tokens: int) -> None:
    texts, finish = events(Offline(GLOSSARY).chat(ask(model=OFFLINE_MODEL, max_tokens=max_tokens), LIMITS))

    assert len(texts) == max_tokens
    assert finish.reason == "length"
    assert finish.usage is not None
    assert finish.usage.completion_tokens == max_tokens


def test_an_answer_of_exactly_max_tokens_is_whole() -> None:
    length = len(events(Offline(GLOSSARY).chat(ask(model=OFFLINE_MODEL), LIMITS))[0])

    assert events(Offline(GLOSSARY).chat(ask(model=OFFLINE_MODEL, max_tokens=length), LIMITS))[1].reason == "stop"


def test_it_has_one_model() -> None:
    with pytest.raises(ProviderRejectedRequest, match=OFFLINE_MODEL):
        list(Offline(GLOSSARY).chat(ask(model="gpt-4o"), LIMITS))


def test_a_pause_between_tokens_ends_with_an_abort() -> None:
    stream = Offline(GLOSSARY, delay_s=0.001).chat(ask(model=OFFLINE_MODEL), LIMITS)

    assert events(stream)[1].reason == "stop"


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("term: Beta", "term: diversifications", 5, "given twice"),
        ("related: [Diversification]", "related: [Gamma]", 5, "Gamma"),
        ("    definition: How much", "    meaning: How much", 5, "meaning"),
        ("[portfolio diversification]", "['!']", 2, "empty"),
        ("entries:", "entries: []\nrest:", 1, ""),
    ],
)
def test_a_mistake_in_the_glossary_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, word: str
) -> None:
    (tmp_path / "terms.yaml").write_text(FILE.replace(old, new, 1))

    with pytest.raises(ConfigurationError, match=rf"^terms\.yaml, line {line}: .*{word}"):
        Glossary.load(tmp_path)


def test_formulas_follow_the_conventions_of_the_workbench(glossary: Glossary) -> None:
    formulas = {entry.term: entry.formula for entry in glossary.entries}

    assert formulas["Sharpe ratio"] == "Sharpe = mean(r - rf) / sd(r - rf) x sqrt(P)"
    assert formulas["Beta"] == "beta = covariance(r, b) / variance(b)"
    assert formulas["Risk-free rate"] == "rf per period = (1 + rf)^(1 / P) - 1"
    assert formulas["Calmar ratio"] == "Calmar = CAGR / abs(max drawdown)"


def test_what_a_rule_answers_comes_before_the_glossary_and_whole() -> None:
    seen: list[tuple[str, Mapping[str, object] | None]] = []

    def rule(request: ChatRequest) -> str | None:
        seen.append((request.messages[-1].text, request.json_schema))
        return '{"by": "a rule, of 12.5 %"}' if request.json_schema else None

    provider = Offline(GLOSSARY, answerers=[lambda _request: None, rule])
    asked = ask(model=OFFLINE_MODEL)
    texts, finish = events(provider.chat(replace(asked, json_schema={"type": "object"}), LIMITS))
    assert ("".join(texts), finish.reason) == ('{"by": "a rule, of 12.5 %"}', "stop")
    assert finish.usage is not None
    assert finish.usage.completion_tokens == len(texts) == count_tokens('{"by": "a rule, of 12.5 %"}')
    glossary = "".join(events(Offline(GLOSSARY).chat(asked, LIMITS))[0])
    assert "".join(events(provider.chat(asked, LIMITS))[0]) == glossary
    assert [schema for _, schema in seen] == [{"type": "object"}, None]


class TestTools:
    SPEC = ToolSpec("quote", "The last price.", {"type": "object"})
    CALLS = (ToolCall("call_1", "quote", '{"symbol": "AAPL"}'), ToolCall("call_2", "quote", "{}"))

    def _asked(self, *, max_tokens: int = 500, tools: tuple[ToolSpec, ...] = (SPEC,)) -> ChatRequest:
        return ChatRequest(OFFLINE_MODEL, (Message("user", "What is beta?"),), max_tokens, None, tools=tools)

    def test_a_rule_asks_for_tools_at_once_whatever_the_pause_between_tokens(self) -> None:
        stream = Offline(GLOSSARY, delay_s=20.0, answerers=[lambda _request: self.CALLS]).chat(self._asked(), LIMITS)
        texts, finish = events(stream)

        assert (texts, finish.reason, finish.calls) == ([], "tool_calls", self.CALLS)
        # the question and the tool, then a name each, {"symbol": "AAPL"}, and {}
        assert finish.usage == TokenUsage(4 + 1 + 4 + count_tokens('{"type": "object"}'), 2 + 9 + 2)
        assert (stream.usage, stream.was_sent) == (finish.usage, True)

    def test_calls_and_results_are_read_too(self) -> None:
        calls = self.CALLS[:1]
        talk = (Message("user", "Hi"), Message("assistant", "", calls), Message("tool", '{"a": 1}', call=calls[0]))
        request = ChatRequest(OFFLINE_MODEL, talk, 500, None)

        assert count_prompt(request) == 1 + (1 + 9) + count_tokens('{"a": 1}')

    def test_without_tools_on_offer_nobody_asks_for_one(self) -> None:
        provider = Offline(GLOSSARY, answerers=[lambda _request: self.CALLS])
        texts, finish = events(provider.chat(self._asked(tools=()), LIMITS))

        assert "".join(texts).startswith("Beta: ")
        assert (finish.reason, finish.calls) == ("stop", ())

    def test_calls_that_do_not_fit_the_tokens_are_cut(self) -> None:
        provider = Offline(GLOSSARY, answerers=[lambda _request: self.CALLS])
        _, finish = events(provider.chat(self._asked(max_tokens=12), LIMITS))

        assert (finish.reason, finish.calls) == ("length", ())
        assert finish.usage is not None
        assert finish.usage.completion_tokens == 12
        assert events(provider.chat(self._asked(max_tokens=13), LIMITS))[1].calls == self.CALLS

    def test_a_stream_that_is_aborted_while_the_rule_works_asks_for_nothing(self) -> None:
        def rule(_request: ChatRequest) -> tuple[ToolCall, ...]:
            stream.abort()
            return self.CALLS

        stream = Offline(GLOSSARY, answerers=[rule]).chat(self._asked(), LIMITS)
        with pytest.raises(ProviderBroke):
            list(stream)

    def test_a_call_its_result_and_the_answer(self) -> None:
        def rule(request: ChatRequest) -> str | tuple[ToolCall, ...]:
            results = [message for message in request.messages if message.call is not None]
            return f"It costs {results[0].text}." if results else self.CALLS[:1]

        provider = Offline(GLOSSARY, answerers=[rule])
        calls = events(provider.chat(self._asked(), LIMITS))[1].calls
        talk = (*self._asked().messages, Message("assistant", "", calls), Message("tool", "187.25", call=calls[0]))
        texts, finish = events(provider.chat(replace(self._asked(), messages=talk), LIMITS))

        assert ("".join(texts), finish.reason, finish.calls) == ("It costs 187.25.", "stop", ())
