"""A filing is read as text, by its items."""

from __future__ import annotations

import time

import pytest

from core.market.filing_text import MAX_CHARS, MOST_PLACES, read_filing
from core.market.sources.sample_reading import SampleReading

ANNUAL = """
<html><head><title>10-K</title><script>steal()</script></head><body onload="steal()">
<div style="display:none"><ix:header>hidden facts</ix:header></div>
<p>FORM 10-K</p>
<table><tr><td>Item 1.</td><td>Business</td><td>3</td></tr><tr><td>Item 1A.</td><td>Risk Factors</td><td>9</td></tr>
<tr><td>Item 7.</td><td>Management&#8217;s Discussion</td><td>30</td></tr></table>
<p><b>PART I</b></p>
<p><b>Item&nbsp;1.&#160;Business</b></p><p>We make anvils &amp; rockets.</p>
<p><font>ITEM 1A &mdash; RISK FACTORS</font></p><p>An anvil
   may fall. See Item 7 of this report.</p><img src="http://evil.example/x.png">
<p>PART II</p>
<div>Item 7. Management's Discussion and Analysis</div>
<table><tr><td>Revenue</td><td>1,234</td></tr><tr><td>Profit</td><td>(56)</td></tr></table>
</body></html>
"""
QUARTERLY = """<html><body><p>PART I</p><p>Item 1. Financial Statements</p><p>They are fine, as they were before.</p>
<p>PART II - OTHER INFORMATION</p><p>Item 1. Legal Proceedings</p><p>None of them is open.</p>
<p>Item 1A. Risk Factors</p><p>As before.</p></body></html>"""


def test_a_filing_is_cut_into_its_items_and_not_into_those_of_its_table_of_contents() -> None:
    found = read_filing(ANNUAL)
    assert [(one.item, one.title) for one in found.sections] == [
        ("", ""),
        ("1", "Business"),
        ("1A", "RISK FACTORS"),
        ("7", "Management's Discussion and Analysis"),
    ]
    risks = found.section("1a")
    assert risks is not None
    assert "An anvil may fall. See Item 7 of this report." in found.of(risks).replace("\n", " ")
    assert found.section("9B") is None


def test_only_what_a_reader_would_see_is_kept_and_none_of_it_is_markup() -> None:
    text = read_filing(ANNUAL).text
    assert "We make anvils & rockets." in text
    assert "Revenue | 1,234" in text
    assert not any(word in text for word in ("steal", "hidden facts", "evil", "<", "onload"))


def test_a_number_that_two_parts_have_is_named_with_its_part() -> None:
    found = read_filing(QUARTERLY)
    assert [one.item for one in found.sections] == ["", "I-1", "II-1", "1A"]
    legal = found.section("II-1")
    first = found.section("1")
    assert legal is not None
    assert first is not None
    assert "None of them is open." in found.of(legal)
    assert first.item == "I-1"


def test_a_document_of_nothing_but_headings_is_read_in_a_moment() -> None:
    began = time.thread_time()
    found = read_filing("ITEM 1\n" * 20_000 + "PART I\n" * 20_000)
    assert time.thread_time() - began < 5
    assert [one.item for one in found.sections] == ["", "1"]


def test_only_so_many_places_begin_an_item_and_no_text_is_lost() -> None:
    found = read_filing("\n".join(f"Item {n // 100}.{n % 100:02}" for n in range(2 * MOST_PLACES)))
    assert len(found.sections) == MOST_PLACES
    assert "".join(found.of(section) for section in found.sections) == found.text


def test_no_text_is_lost_between_the_sections() -> None:
    for document in (ANNUAL, QUARTERLY, "plain text\nItem 5. Market\nmore"):
        found = read_filing(document)
        assert "".join(found.of(section) for section in found.sections) == found.text


def test_a_search_names_the_item_and_what_stands_around_the_hit() -> None:
    [hit] = read_filing(ANNUAL).search("anvil MAY\n fall")
    assert (hit.item, " ".join(hit.hit.split())) == ("1A", "anvil may fall")
    assert hit.after.startswith(". See Item 7")
    assert read_filing(ANNUAL).search("  ") == ()
    assert read_filing(ANNUAL).search(".*") == ()
    assert len(read_filing("word " * 1000).search("word", most=7)) == 7


def test_items_of_a_current_report_have_two_numbers() -> None:
    text = "Item 2.02 Results of Operations\nIt was a quarter.\nItem 9.01 Exhibits\nOne."
    assert [one.item for one in read_filing(text).sections] == ["2.02", "9.01"]


@pytest.mark.parametrize(
    "document",
    ["", "<html>", "<p>", "<html><body></body></html>", "\x00\x01", "<div>" * 5000 + "x", "<![CDATA[x", "\ud800"],
)
def test_a_broken_document_is_no_failure(document: str) -> None:
    assert isinstance(read_filing(document).text, str)


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    found = read_filing("word " * (MAX_CHARS // 4))
    assert (len(found.text), found.is_cut) == (MAX_CHARS, True)


def test_an_entity_that_grows_without_end_does_not() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><html><body><p>&b;</p></body></html>'
    assert len(read_filing(bomb).text) < 100


def test_every_shipped_filing_says_that_it_is_generated_and_has_its_items() -> None:
    sample = SampleReading()
    for listing in sample.tickers():
        assert listing.cik is not None
        for filing in sample.filer(listing.cik).filings:
            found = read_filing(sample.document(filing.url))
            assert "This document is generated. The company does not exist." in found.text
            assert found.section("7" if filing.form == "10-K" else "2") is not None
