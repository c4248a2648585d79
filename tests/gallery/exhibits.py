"""What the gallery shows of each module of `pages/components`, and which it cannot show."""

from __future__ import annotations

from collections.abc import Callable

from tests.gallery import accounts, alerts, basics, conversations, figures, market, reading, screener

Exhibit = Callable[[], None]
"""Draws one component in one or more states; its docstring is the caption."""

EXHIBITS: dict[str, tuple[Exhibit, ...]] = {
    "headings": (basics.heads,),
    "frame": (basics.sidebar,),
    "avatar": (basics.avatars,),
    "badges": (basics.badges,),
    "rows": (basics.people, basics.sessions),
    "states": (basics.empty, basics.loading, basics.denied, basics.failed, basics.done),
    "errors": (basics.errors,),
    "words": (basics.words,),
    "forms": (basics.form,),
    "confirm": (basics.questions,),
    "secret_once": (basics.secrets,),
    "new_password": (accounts.new_password,),
    "members_seats": (accounts.seats,),
    "charts": (figures.chart,),
    "tables": (figures.table,),
    "quota": (figures.quotas,),
    "usage_period": (figures.period,),
    "usage_figures": (figures.figures,),
    "usage_log": (figures.requests,),
    "chat_history": (conversations.answers, conversations.suggestions, conversations.unanswered),
    "chat_cost": (conversations.costs,),
    "money": (market.prices,),
    "quote_line": (market.quotes,),
    "market_clock": (market.clocks,),
    "price_chart": (market.charts,),
    "source_states": (market.sources,),
    "news_list": (reading.news, reading.no_news),
    "filings_list": (reading.filings, reading.no_filings),
    "statements_view": (reading.statements, reading.poor_statements),
    "screener_builder": (screener.builder,),
    "screener_condition": (screener.condition,),
    "screener_coverage": (screener.coverage,),
    "screener_market": (screener.market,),
    "screener_results": (screener.results,),
    "screener_export": (screener.export,),
    "screener_chart": (screener.chart,),
    "screener_record": (screener.record,),
    "alerts_list": (alerts.list_of_alerts, alerts.no_alerts),
    "alert_form": (alerts.form,),
    "notifications_list": (alerts.notifications,),
}
"""By the module's name, in the order of the page."""

EXCUSED = {
    "chat_models": "asks the router what is live",
    "chat_conversations": "reads and writes the address of the Chat page",
    "chat_live": "is heard, not seen",
    "chat_message": "is drawn by chat_history",
    "chat_stream": "needs an answer that is being written",
    "chat_text": "draws nothing by itself; its words are in chat_history",
    "chat_turn": "draws nothing: it keeps what was asked",
    "chat_waiting": "looks for an answer in the database, every second",
    "price_history": "asks for the bars of an instrument; its chart is price_chart",
    "symbol_box": "reads and writes the address of the Symbol page",
    "connection": "is seen once the server is gone",
    "settings_sections": "is a page's own navigation, in its address",
    "theme": "draws nothing by itself; its style is on every page, this one too",
}
"""Modules that are not shown though they need no workbench, each with the reason."""
