"""Headlines are judged by words that anybody can read, and no model is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from core.market.sentiment import METHOD, Tone, shipped_lexicon

HEADLINES: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "headlines.yaml").read_text("utf-8"))
ALL = [(text, tone) for tone, texts in HEADLINES.items() for text in texts]


def test_at_least_nine_of_ten_headlines_are_judged_as_a_reader_would_and_more_than_by_vader_alone() -> None:
    lexicon, vader = shipped_lexicon(), SentimentIntensityAnalyzer()

    def alone(text: str) -> str:
        score = vader.polarity_scores(text)["compound"]
        return "positive" if score >= 0.05 else "negative" if score <= -0.05 else "neutral"

    wrong = [(text, tone) for text, tone in ALL if lexicon.judge(text).tone != tone]
    wrong_alone = [text for text, tone in ALL if alone(text) != tone]
    assert len(wrong) <= len(ALL) // 10, wrong
    assert len(wrong_alone) > 2 * len(wrong)


def test_the_words_that_decided_are_named_heaviest_first_with_the_method() -> None:
    found = shipped_lexicon().judge("Acme misses estimates, but wins approval")
    assert found.method == METHOD == "lexicon"
    assert [word.text for word in found.words] == ["wins approval", "misses"]
    assert found.words[0].weight > 0 > found.words[1].weight


def test_a_negation_turns_a_word() -> None:
    lexicon = shipped_lexicon()
    assert lexicon.judge("Acme did not miss estimates").score > 0
    assert lexicon.judge("Acme did not miss estimates").words[0].weight > 0


@pytest.mark.parametrize("text", ["", "   ", "Acme annual meeting", "\u202e\u0000", "株価", "x" * 100_000])
def test_a_text_without_known_words_is_neutral_and_names_none(text: str) -> None:
    found = shipped_lexicon().judge(text)
    assert (found.tone, found.score, found.words) == (Tone.NEUTRAL, 0.0, ())


def test_a_phrase_counts_as_one_and_not_by_its_words() -> None:
    assert shipped_lexicon().judge("Quarterly loss narrows").tone is Tone.POSITIVE
    assert shipped_lexicon().judge("Quarterly loss").tone is Tone.NEGATIVE
