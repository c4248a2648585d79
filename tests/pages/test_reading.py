"""What is read on the Symbol page: a fetch is counted at the button alone, and a stranger's words are no markup."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from streamlit.testing.v1 import AppTest

from pages.components.news_list import SHOWN


def _run(script: Callable[[], None]) -> AppTest:
    app = AppTest.from_function(script, default_timeout=20).run()
    assert not app.exception
    return app


def test_opening_and_rerunning_fetches_no_filings_and_the_button_fetches_once() -> None:
    def script() -> None:
        from dataclasses import replace
        from uuid import uuid4

        import streamlit as st

        from core.market.filing_text import read_filing
        from core.metering.meter import QuotaState
        from core.research.filings import CountedList
        from pages.components import filings_list
        from tests.gallery.reading import NOW, SAMPLE, SHIPPED, filing_list
        from tests.gallery.samples import principal

        fetched = st.session_state.setdefault("fetched", [])

        def fetch() -> CountedList:
            fetched.append(1)
            quota = QuotaState("sec_filings_month", 3, len(fetched), NOW)
            return CountedList(filing_list(), uuid4(), None, quota)

        st.button("Something else", key="else")
        filings_list.show(
            "filings",
            principal("two words"),
            "CHAMELI.NS",
            replace(SHIPPED, day=st.date_input("As of", SHIPPED.day, key="day")),
            kept=lambda: None,
            fetch=fetch,
            open_text=lambda filing: read_filing(SAMPLE.document(filing.url)),
        )

    app = _run(script)
    app.button("else").click().run()
    assert app.session_state["fetched"] == []
    assert not app.dataframe
    app.button("filings_fetch").click().run()
    app.button("else").click().run()
    assert app.session_state["fetched"] == [1]
    assert "2 of 3 SEC filings left this month." in [caption.value for caption in app.caption]
    assert len(app.dataframe[0].value) == 13
    app.button_group("filings_forms").set_value(["10-K"]).run()
    assert set(app.dataframe[0].value["Form"]) == {"10-K"}
    app.selectbox("filings_open").select_index(0).run()
    assert "Item 1A: Risk Factors" in app.selectbox("filings_text_section").options
    app.text_input("filings_text_search").input("price of coal").run()
    assert any("**price of coal**" in text.value for text in app.markdown)
    app.date_input("day").set_value(date(2010, 8, 1)).run()
    assert not app.dataframe, "what was fetched as of a later day is not seen"


def test_a_title_is_a_link_of_text_and_more_news_is_shown_on_demand() -> None:
    def script() -> None:
        from tests.gallery.reading import news

        news()

    app = _run(script)
    titles = [text.value for text in app.markdown if "](https://example.com" in text.value]
    assert len(titles) == SHOWN
    assert "](https://example.com/%28news%29/0?q=%5Ba%5D&b=*c*)" in titles[0]
    said = [caption.value for caption in app.caption]
    assert any("Brave Search could not be asked; nothing of it is here." in text for text in said)
    assert any("fetched 2 hours ago" in text for text in said)
    app.button("news_many_more").click().run()
    assert len([text for text in app.markdown if "](https://example.com" in text.value]) > SHOWN


def test_statements_are_shown_by_years_or_quarters_with_what_was_derived_and_from_where() -> None:
    def script() -> None:
        from tests.gallery.reading import statements

        statements()

    app = _run(script)
    assert app.dataframe[0].value["Line"][0] == "Revenue, INR m"
    assert list(app.dataframe[0].value.columns)[1:] == ["to 2010-03-31", "to 2009-03-31", "to 2008-03-31"]
    app.button_group("statements_some_span").set_value("Quarters").run()
    assert list(app.dataframe[0].value.columns)[1:3] == ["to 2010-06-30", "to 2010-03-31"]
    derived = [caption.value for caption in app.caption if caption.value.startswith("Derived")]
    assert derived
    assert "to 2010-03-31" in derived[0]
    origins = app.dataframe[1].value
    assert set(origins["Form"]) == {"10-K", "10-Q"}
    assert [metric.label for metric in app.metric][:2] == ["Market value", "Price to earnings"]


def test_what_is_not_defined_is_na_and_what_is_out_of_scale_is_marked() -> None:
    def script() -> None:
        from tests.gallery.reading import poor_statements

        poor_statements()

    app = _run(script)
    assert [metric.value for metric in app.metric if metric.label == "Price to earnings"] == ["n/a"]
    app.button_group("statements_poor_span").set_value("Quarters").run()
    assert any("Out of scale" in caption.value for caption in app.caption)
    assert any("could not be asked" in caption.value for caption in app.caption)
