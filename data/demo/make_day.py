"""Makes `analysts_day.csv`: a day of questions as analysts of four organisations might ask them. **Generated**: nobody
asked them. `python data/demo/make_day.py` writes the same file each time.

What the day assumes, since a cache's hit rate depends on it: colleagues ask the same of the morning's news in nearly
the same words; an analyst comes back to a question in the afternoon; signals of one scan are validated by several
organisations; the rest is asked once.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

SEED = 20100820
ORGANISATIONS = {"Northgate Research": 9, "Ostwind Capital": 7, "Pelham & Rowe": 5, "Quarry Street": 3}
"""Analysts of each."""
SYMBOLS = ("AAPL", "MSFT", "GOOG", "IBM", "XOM", "JNJ", "PG", "KO", "WMT", "GE", "CSCO", "INTC", "ORCL", "PFE", "T")
MORNING = (
    "What moved {} yesterday?",
    "Summarise the latest news on {}.",
    "What is the consensus view on {} after the last quarter?",
    "What are the main risks for {} this quarter?",
)
TERMS = (
    "What is the Sharpe ratio?",
    "Explain maximum drawdown.",
    "How is beta estimated?",
    "What does a golden cross say?",
    "Difference between time-weighted and money-weighted return?",
    "What is diversification?",
)
RESEARCH = (
    "Compare the gross margins of {} and {} over the last five years and explain what drove the gap.",
    "Build the bull and the bear case for {} against {} for the next twelve months, with what would change your mind.",
    "How exposed is {} to a stronger dollar compared with {}, and through which lines of its income statement?",
    "Why did {} lag {} in the second quarter although its earnings beat expectations?",
    "Walk me through how buybacks at {} and {} affected earnings per share, step by step.",
)
SHORT = (
    "Price target range for {}?",
    "When does {} report next?",
    "Dividend yield of {} and its pay-out ratio?",
    "Sector and main competitors of {}?",
    "Is {} above its 200-day average?",
)
EXTRACT = (
    "Extract company, quarter, revenue and guidance as JSON from: {} reported revenue of {:.1f} billion dollars for "
    "the quarter, up {:.1f} percent, and guided for {:.1f} billion next quarter.",
    "List every amount with its currency in: {} will pay a dividend of {:.2f} dollars, repurchase shares for {:.1f} "
    "billion dollars and invest {:.1f} billion dollars in new plants.",
)
TONE = (
    "Is the tone of this headline positive, negative or neutral: {} shares slip as margins disappoint, note {}",
    "Classify the sentiment: {} lifts full-year outlook on strong demand, wire {}",
)
CODE = (
    "Write a pandas function that computes the {}-day rolling beta of a share against an index.",
    "Write SQL that lists the {} largest positions by weight for each portfolio.",
)
SIGNALS = ("rsi_oversold", "macd_cross", "breakout_52w", "hammer", "engulfing", "golden_cross")


@dataclass(frozen=True, order=True)
class Asked:
    """One question of the day."""

    minute: int
    """Since midnight."""
    organisation: str
    analyst: str
    task: str
    text: str


def varied(text: str, random_: random.Random) -> str:
    """The same question as somebody else types it."""
    return random_.choice((text, text, text.lower(), f" {text}", text.replace(" ", "  ", 1), f"{text} "))


def chats(random_: random.Random, organisation: str, analysts: list[str]) -> Iterator[Asked]:
    """The questions of an organisation's chats."""
    morning = [random_.choice(MORNING).format(random_.choice(SYMBOLS)) for _ in range(6)]
    for analyst in analysts:
        for text in random_.sample(morning, k=min(4, len(morning))):
            yield Asked(random_.randint(470, 600), organisation, analyst, "chat", varied(text, random_))
        if random_.random() < 0.6:
            yield Asked(random_.randint(540, 1020), organisation, analyst, "chat", random_.choice(TERMS))
        kept: list[tuple[int, str]] = []
        for _ in range(random_.randint(4, 8)):
            one, other = random_.sample(SYMBOLS, k=2)
            kept.append((random_.randint(540, 900), random_.choice(RESEARCH).format(one, other)))
        kept += [
            (random_.randint(500, 1080), random_.choice(SHORT).format(random_.choice(SYMBOLS)))
            for _ in range(random_.randint(5, 10))
        ]
        if random_.random() < 0.4:
            kept.append((random_.randint(560, 1080), random_.choice(CODE).format(random_.randint(20, 260))))
        for minute, text in kept:
            yield Asked(minute, organisation, analyst, "chat", text)
        for minute, text in random_.sample(kept, k=2):
            yield Asked(
                min(minute + random_.randint(60, 240), 1_190), organisation, analyst, "chat", varied(text, random_)
            )


def programs(random_: random.Random, organisation: str, analyst: str, count: int) -> Iterator[Asked]:
    """What an organisation's own scripts ask over the API."""
    for number in range(count):
        minute, symbol = random_.randint(360, 1_200), random_.choice(SYMBOLS)
        if random_.random() < 0.6:
            figures = (random_.uniform(2, 90), random_.uniform(1, 30), random_.uniform(2, 90))
            text = random_.choice(EXTRACT).format(symbol, *figures)
        else:
            text = random_.choice(TONE).format(symbol, f"{organisation[:2].upper()}{number:03d}")
        yield Asked(minute, organisation, analyst, "completion", text)


def validations(random_: random.Random, people: dict[str, list[str]]) -> Iterator[Asked]:
    """Signals of the same scan, which every organisation sees; each validates some of them."""
    signals = [
        f"signal {random_.choice(SIGNALS)} bullish {symbol} entry {random_.uniform(10, 200):.2f}"
        f" rsi {random_.uniform(20, 80):.1f}"
        for symbol in SYMBOLS
        for _ in range(3)
    ]
    for organisation, analysts in people.items():
        for text in random_.sample(signals, k=min(len(signals), 6 * len(analysts))):
            yield Asked(random_.randint(480, 720), organisation, random_.choice(analysts), "signal_validation", text)


def day() -> list[Asked]:
    """Every question of the day, in its order."""
    random_ = random.Random(SEED)  # noqa: S311 (nothing secret: the same day each time)
    people = {
        organisation: [f"{organisation.split()[0].lower()}-{number:02d}" for number in range(1, count + 1)]
        for organisation, count in ORGANISATIONS.items()
    }
    asked = list(validations(random_, people))
    for organisation, analysts in people.items():
        asked += chats(random_, organisation, analysts)
        asked += programs(random_, organisation, analysts[0], 10 * len(analysts))
    return sorted(asked)


def main() -> None:
    """Writes the file."""
    with (Path(__file__).parent / "analysts_day.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["minute", "organisation", "analyst", "task", "text"])
        writer.writerows(astuple(asked) for asked in day())


if __name__ == "__main__":
    main()
