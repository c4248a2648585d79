"""The judge: right and wrong answers of each kind."""

from __future__ import annotations

from datetime import date

import pytest

from tests.eval.figures import dates, numbers
from tests.eval.judge import judged
from tests.eval.questions import HALVES, Fact, Question, questions

PRICE = Fact(value=462.02, unit="price", currency="USD", tolerance=0.006)
FALL = Fact(value=-0.012714, unit="fraction", tolerance=0.0006)
MONEY = Fact(value=12_510_000_000, unit="money", currency="INR", tolerance=5e6)
COUNT = Fact(value=7, tolerance=0)
SHARE = Fact(value=0.361737, unit="fraction", tolerance=0.0006)
DAY = Fact(date=date(2008, 11, 20))
LARGEST = Fact(text=("AAPL", "Apple"), rivals=("GOOG", "IBM", "KO"))
BOTH = Fact(all=("AAPL", "KO"))


def asked(*expects: Fact) -> Question:
    """A question whose answer has to tell some facts."""
    return Question(id="q", kind="tolerance", portfolio=None, question="What is it for AAPL?", expects=expects)


@pytest.mark.parametrize(
    ("fact", "answer"),
    [
        pytest.param(PRICE, "GOOG closed at 462.02 USD on 2010-08-20.", id="price"),
        pytest.param(PRICE, "It last traded at $462.02.", id="dollar sign"),
        pytest.param(PRICE, "It closed at 462,02 $.", id="decimal comma"),
        pytest.param(FALL, "It fell by 1.27 % that day.", id="word for the sign"),
        pytest.param(FALL, "Change: −1.3%", id="true minus, rounded"),
        pytest.param(FALL, "The change was -0.0127.", id="as a fraction"),
        pytest.param(MONEY, "Revenue was INR 12.51 billion.", id="billion"),
        pytest.param(MONEY, "Revenue was 12,510 million rupees [1].", id="million"),
        pytest.param(MONEY, "₹12,510,000,000", id="in full"),
        pytest.param(COUNT, "You hold 7 symbols.", id="count"),
        pytest.param(COUNT, "Seven holdings.", id="word for a number"),
        pytest.param(SHARE, "AAPL is 36.2 % of the portfolio.", id="share"),
        pytest.param(SHARE, "| symbol | weight |\n| --- | --- |\n| AAPL | 36.17 % |", id="in a small table"),
        pytest.param(DAY, "The trough was on 20 November 2008.", id="date in words"),
        pytest.param(DAY, "The trough was on November 20th, 2008.", id="American date"),
        pytest.param(DAY, "Trough: 2008-11-20", id="ISO date"),
        pytest.param(LARGEST, "Your largest holding is Apple (AAPL), followed by GOOG.", id="first named"),
        pytest.param(LARGEST, "In 2010, it was **AAPL**.", id="in bold"),
        pytest.param(LARGEST, "- AAPL 36 %\n- GOOG 27 %\n- IBM 5 %\n- KO 4 %", id="first of a list"),
        pytest.param(BOTH, "KO and AAPL.", id="all of them"),
    ],
)
def test_a_right_answer(fact: Fact, answer: str) -> None:
    assert judged(asked(fact), answer).why == ""


@pytest.mark.parametrize(
    ("fact", "answer"),
    [
        pytest.param(PRICE, "", id="nothing"),
        pytest.param(PRICE, "I do not know.", id="no figure"),
        pytest.param(PRICE, "GOOG closed at 462.20 USD.", id="transposed digits"),
        pytest.param(PRICE, "GOOG closed at 462.02 EUR.", id="another currency"),
        pytest.param(PRICE, "GOOG rose by 462.02 %.", id="per cent"),
        pytest.param(PRICE, "GOOG closed at 462 thousand USD.", id="another scale"),
        pytest.param(FALL, "It rose by 1.27 %.", id="sign turned round"),
        pytest.param(FALL, "It changed by 1.27 USD.", id="money for a fraction"),
        pytest.param(MONEY, "Revenue was INR 12.51 million.", id="a thousandth"),
        pytest.param(MONEY, "Revenue was USD 12.51 billion.", id="dollars for rupees"),
        pytest.param(COUNT, "As of 2010-08-07 there are several [7].", id="of a date and a citation"),
        pytest.param(COUNT, "Their 7-day average is lower; you hold 9.", id="of a name"),
        pytest.param(COUNT, "You hold 7.5.", id="nearly"),
        pytest.param(COUNT, "It costs 7 USD.", id="money for a count"),
        pytest.param(SHARE, "AAPL is 36 % of the portfolio.", id="rounded too far"),
        pytest.param(SHARE, "AAPL lost 36.17 %.", id="a loss for a share"),
        pytest.param(SHARE, "AAPL: -36.17 %.", id="a minus before a share"),
        pytest.param(DAY, "The trough was on 21 November 2008.", id="a day late"),
        pytest.param(DAY, "The trough was in November 2008.", id="only the month"),
        pytest.param(LARGEST, "Your largest holding is GOOG, before AAPL.", id="a rival first"),
        pytest.param(LARGEST, "- GOOG 27 %\n- IBM 5 %\n- KO 4 %\n- AAPL 36 %", id="somewhere in a list"),
        pytest.param(LARGEST, "What is it for AAPL?", id="an echo of the question"),
        pytest.param(BOTH, "Only KO.", id="one of them"),
        pytest.param(
            PRICE, "\n".join(f"| X{n} | {400 + n}.02 |" for n in range(100)), id="one row of a table of everything"
        ),
    ],
)
def test_a_wrong_answer(fact: Fact, answer: str) -> None:
    assert not judged(asked(fact), answer).is_right


def test_every_fact_is_needed() -> None:
    question = asked(PRICE, FALL)
    assert judged(question, "462.02 USD, down 1.27 %.").is_right
    assert not judged(question, "462.02 USD.").is_right


REFUSAL = Question(
    id="r",
    kind="refusal",
    portfolio=None,
    question="What did it close at in 2012?",
    about=("later", "after", "forecast"),
    forbids=("I predict", Fact(value=702.1, unit="price", tolerance=0.6)),
)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("I cannot tell: nothing later than 2010-08-20 is known here.", id="cannot"),
        pytest.param("There is no data after 20 August 2010.", id="no data"),
        pytest.param("I don't give forecasts; the last close is 249.64 USD.", id="with what is known"),
    ],
)
def test_a_refusal(answer: str) -> None:
    assert judged(REFUSAL, answer).is_right


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("It closed at 702.10 USD.", id="the figure"),
        pytest.param("I cannot know, but it was about 702.", id="the figure all the same"),
        pytest.param("I cannot know; I predict a rise.", id="forbidden words"),
        pytest.param("It is a fine company, and was after that.", id="no refusal"),
        pytest.param("I cannot answer that.", id="not what it cannot"),
        pytest.param("", id="nothing"),
    ],
)
def test_no_refusal(answer: str) -> None:
    assert not judged(REFUSAL, answer).is_right


AMBIGUOUS = Question(
    id="a", kind="ambiguous", portfolio=None, question="How much?", choices=(("US stocks",), ("Two currencies",))
)


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        pytest.param("Which portfolio do you mean: US stocks or Two currencies?", True, id="asks, with names"),
        pytest.param("Which one?\n\n- US stocks\n- Two currencies", True, id="names in a list"),
        pytest.param("Which portfolio do you mean?", False, id="without names"),
        pytest.param("Do you mean US stocks?", False, id="one name"),
        pytest.param("US stocks and Two currencies.", False, id="no question"),
        pytest.param(
            "US stocks: 1.50 USD, 2.50 USD, 3.50 USD. Two currencies: 4.50 EUR, 5.50 EUR. Which else?",
            False,
            id="answers both",
        ),
        pytest.param("US stocks is worth more than Two currencies. Nice, isn't it?", False, id="an idle question"),
    ],
)
def test_asking_back(answer: str, is_right: bool) -> None:
    assert judged(AMBIGUOUS, answer).is_right is is_right


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("", id="nothing"),
        pytest.param("Yes.", id="yes"),
        pytest.param("I cannot answer that.", id="always refuses"),
        pytest.param("Which portfolio do you mean: US stocks or Two currencies?", id="always asks"),
        pytest.param("AAPL 249.64 USD, GOOG 462.02 USD, 36.2 %, 2010-08-20.", id="always the same figures"),
        pytest.param("\n".join(f"| {n} | {n / 100} | {n} % |" for n in range(50_000)), id="every number"),
    ],
)
def test_one_answer_for_everything_is_seldom_right(answer: str) -> None:
    right = [question.id for half in HALVES for question in questions(half) if judged(question, answer).is_right]
    assert len(right) <= 16


@pytest.mark.parametrize("half", HALVES)
def test_no_question_is_answered_by_itself(half: str) -> None:
    for question in questions(half):
        assert not judged(question, question.question).is_right, question.id


@pytest.mark.parametrize("half", HALVES)
def test_every_question_can_be_answered(half: str) -> None:
    for question in questions(half):
        assert judged(question, model_answer(question)).why == "", question.id


def model_answer(question: Question) -> str:
    """An answer that tells the facts in plain words."""
    if question.kind == "refusal":
        return f"I cannot say ({question.about[0]}): there is no data of it here."
    if question.kind == "ambiguous":
        return f"Which {' or '.join(choice[0] for choice in question.choices)} do you mean?"
    return "\n".join(map(sentence, question.expects))


def sentence(fact: Fact) -> str:
    """A fact in words."""
    if fact.day is not None:
        return f"That was on {fact.day}."
    if fact.value is None:
        return f"It is {', '.join(fact.every or fact.text[:1])}."
    if fact.unit == "fraction":
        return f"It is {100 * fact.value:.2f} %."
    return f"It is {fact.value:,.2f} {fact.currency}.".replace(".00 .", ".").replace(" .", ".")


def test_numbers_are_read() -> None:
    text = "On 2010-08-20 [1] the S&P 500 rose 1.5 %, RSI(14) was 37.5, €1,234.50, 3.4 million USD, two weeks, -0.5."
    found = [(number.value, number.currency, number.is_percent) for number in numbers(text)]
    assert found == [
        (1.5, "", True),
        (37.5, "", False),
        (1234.5, "EUR", False),
        (3_400_000, "USD", False),
        (2, "", False),
        (-0.5, "", False),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("20.779,22 EUR", 20779.22, id="German"),
        pytest.param("20 779,22 EUR", 20779.22, id="French"),
        pytest.param("20'779.22 EUR", 20779.22, id="Swiss"),
        pytest.param("1.2k USD", 1200, id="k"),
        pytest.param("12.510.000.000 INR", 12_510_000_000, id="points"),
        pytest.param("USD -25.5", -25.5, id="minus after the currency"),
        pytest.param("$1.35M", 1_350_000, id="capital M"),
    ],
)
def test_a_number_is_read(text: str, value: float) -> None:
    assert [number.value for number in numbers(text)] == [value]


def test_parts_of_words_are_no_numbers() -> None:
    assert [number.value for number in numbers("Item 1A, Q3, A4, the 10-K and 1.5x")] == [1.5]


def test_dates_are_read() -> None:
    text = "2008-11-20, 22.05.2010, 6 May 2010, May 7, 2010, am 8. Mai 2010, el 9 de mayo de 2010, 31 February 2010"
    assert dates(text) == [
        date(2008, 11, 20),
        date(2010, 5, 22),
        date(2010, 5, 6),
        date(2010, 5, 8),
        date(2010, 5, 9),
        date(2010, 5, 7),
    ]
