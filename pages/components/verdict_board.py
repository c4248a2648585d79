"""The scoreboard: what verdicts turned out to be worth, beside what always buying or the signals alone came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TypeVar

import streamlit as st

from core.screener.records import MINIMUM_N
from core.verdicts.scoreboard import CAVEATS, Against, Baseline, Board, BoardRow, Group, Horizon, Include
from pages.components import verdict_curve
from pages.components.badges import Badge, show_badge
from pages.components.errors import show_message
from pages.components.verdict_list import signal_label
from pages.components.verdict_look import interval, share
from pages.components.words import plain, usd_figure

HORIZONS: Mapping[Horizon, str] = {5: "5 sessions", 20: "20 sessions"}
AGAINSTS: Mapping[Against, str] = {"price": "Price", "benchmark": "Beyond benchmark"}
INCLUDES: Mapping[Include, str] = {"prospective": "Prospective", "retrospective": "Retrospective", "all": "All"}
GROUPS: Mapping[Group, str] = {"model": "Model", "prompt_version": "Prompt version", "signal_type": "Signal"}
BRIER = (
    "The mean squared distance of confidence from what happened: 0 is perfect, 0.25 is what always saying 50 % comes "
    "to, and 1 is always being sure and wrong. Lower is better."
)
NOTHING = "–"
FEW_DAYS = 10
"""Below so many separate days nothing is claimed, however many verdicts there are: they share one market."""
COST_DIGITS = Context(prec=3)

_Option = TypeVar("_Option", bound=int | str)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which board is looked at."""

    horizon: Horizon = 5
    against: Against = "price"
    include: Include = "prospective"
    group: Group = "model"


Read = Callable[[Choice], Board]


def show(key: str, read: Read, labels: Mapping[str, str]) -> None:
    """The choices, and the board of what was chosen; `labels` names models."""
    choice = show_choice(key)
    board = read(choice)
    if not board.total.n:
        _show_nothing(key, read, choice, board)
        return
    _show_figures(board.total, choice)
    if board.total.is_few:
        show_message(
            f"{board.total.n:,} scored verdict{'' if board.total.n == 1 else 's'} are too few to claim anything.",
            f"The figures are given; below {MINIMUM_N} they say more of chance than of a model.",
            icon=":material/hourglass_empty:",
        )
    elif board.total.days < FEW_DAYS:
        show_message(
            f"All of them were entered on {_days(board.total.days)}.",
            "They share one market, so that the intervals are far too narrow: wait for more days, or go to others.",
            icon=":material/hourglass_empty:",
        )
    with st.grid(2, gap="medium", min_column_width=340):
        with st.container(border=True, height="stretch"):
            st.markdown(
                "**Calibration**", help="How often verdicts of a confidence were right. On the line both agree."
            )
            verdict_curve.show(f"{key}_curve", board.total.bins)
            st.caption("Dots are larger the more verdicts are behind them; hollow ones rest on fewer than 5.")
        with st.container(border=True, height="stretch"):
            _show_reading(board.total)
    show_table(f"{key}_table", board, labels)
    show_caveats()


def show_choice(key: str) -> Choice:
    """Over how long, against what, of which verdicts, and by what they are grouped."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        horizon = _chosen("Held for", HORIZONS, f"{key}_horizon", "From the next session's open.")
        against = _chosen(
            "Judged by", AGAINSTS, f"{key}_against", "What the price did, or how much more than the benchmark it did."
        )
        include = _chosen(
            "Verdicts",
            INCLUDES,
            f"{key}_include",
            "Prospective ones were given before anybody could know. Of retrospective ones the model may have known.",
        )
        group = _chosen("By", GROUPS, f"{key}_group")
    return Choice(horizon, against, include, group)


def show_table(key: str, board: Board, labels: Mapping[str, str]) -> None:
    """A row for each group, those with the most verdicts first."""
    import pyarrow as pa

    rows = [{GROUPS[board.group]: _name(row, board.group, labels), **_told(row)} for row in board.rows]
    st.dataframe(
        pa.table({name: [row[name] for row in rows] for name in rows[0]}),
        key=key,
        hide_index=True,
        height="content",
        column_config={
            GROUPS[board.group]: st.column_config.TextColumn(pinned=True),
            "Brier (95 %)": st.column_config.TextColumn(help=BRIER),
            "Beyond always BUY": st.column_config.TextColumn(
                help="Share that was right, less that of always saying BUY to the same signals."
            ),
            "Off by": st.column_config.TextColumn(
                help="How far confidence and the share that was right are apart, over the whole scale."
            ),
            "USD per right one": st.column_config.TextColumn(
                help="What providers bill for the scored calls, and for those that failed, divided by the right ones."
            ),
        },
        alt=f"Verdicts by {GROUPS[board.group].lower()}: how many were right, and at what cost",
    )


def show_caveats() -> None:
    """What the figures leave out."""
    with st.expander("What these figures leave out", icon=":material/gavel:"):
        for caveat in CAVEATS:
            name, colon, rest = caveat.partition(":")
            is_named = bool(colon) and " " not in name
            st.markdown(f"**{plain(name)}.**{plain(rest)}" if is_named else plain(caveat))


def _chosen(label: str, names: Mapping[_Option, str], key: str, hint: str | None = None) -> _Option:
    chosen = st.segmented_control(
        label,
        list(names),
        format_func=lambda each: names[each],
        default=None if key in st.session_state else next(iter(names)),
        required=True,
        key=key,
        help=hint,
    )
    return next(iter(names)) if chosen is None else chosen


def _show_nothing(key: str, read: Read, choice: Choice, board: Board) -> None:
    """Nothing of what was chosen is scored: what is waiting, and where there is something to see."""
    total = board.total
    waiting = f"{total.unscored:,} wait for their outcome" if total.unscored else "none waits for an outcome"
    held = f", {total.held:,} said HOLD, which is not scored" if total.held else ""
    title = (
        f"No {INCLUDES[choice.include].lower()} verdict is scored yet" if choice.include != "all" else "None is scored"
    )
    hint = f"{waiting[0].upper()}{waiting[1:]}{held}. A verdict is scored once {choice.horizon} sessions have closed."
    show_message(title, hint, icon=":material/hourglass_empty:")
    others = read(Choice(choice.horizon, choice.against, "retrospective", choice.group)).total.n
    if choice.include == "prospective" and others:
        st.button(
            f"Show {others:,} retrospective one{'' if others == 1 else 's'}",
            icon=":material/history:",
            key=f"{key}_retrospective",
            on_click=st.session_state.__setitem__,
            args=(f"{key}_include", "retrospective"),
        )
        st.caption("They were given of days whose outcome the model may have known.")


def _show_figures(total: BoardRow, choice: Choice) -> None:
    with st.grid("auto", min_column_width=170):
        _figure("Scored", f"{total.n:,}", f"on {_days(total.days)}")
        _figure("Right", share(total.hit_rate), f"95 %: {_reach(total.low, total.high)}")
        _figure("Always BUY", share(total.always_buy.hit_rate), _versus(total, total.always_buy))
        _figure("Signals alone", share(total.own_record.hit_rate), _own(total.own_record))
        _figure("Brier score", _score(total.brier), f"95 %: {_scores(total)}", BRIER)
        _figure("USD per right one", _dollars(total.cost_per_correct_usd), f"{_dollars(total.call_usd)} in all")
    st.caption(
        plain(
            f"Besides, {total.held:,} said HOLD, which claims no direction and is not scored; {total.unscored:,} wait "
            "for their outcome."
        )
    )
    if choice.include != "prospective":
        show_badge(Badge("with retrospective ones: the model may have known", "violet", ":material/history:"))
    if total.generated:
        show_badge(Badge(f"{total.generated:,} of generated bars", "orange", ":material/science:"))


def _show_reading(total: BoardRow) -> None:
    """What the figures say in sentences."""
    st.markdown("**What this says**")
    st.markdown(plain(_against_base(total)))
    said, right = share(total.mean_confidence), share(total.hit_rate)
    st.markdown(plain(f"Models said {said} on average, and were right {right} of the time: {_confident(total)}."))
    own = total.own_record
    if own.n and own.brier is not None:
        st.markdown(
            plain(
                f"Following every signal by its own record would have been right {share(own.hit_rate)} of {own.n:,} "
                f"times, with a Brier score of {_score(own.brier)}."
            )
        )
    else:
        st.markdown("The signals had no record of their own when they were judged.")
    if total.always_buy.brier is not None:
        st.caption(
            plain(f"Always saying BUY with full confidence comes to a Brier score of {_score(total.always_buy.brier)}.")
        )


def _claims_nothing(total: BoardRow) -> bool:
    return total.is_few or total.days < FEW_DAYS


def _against_base(total: BoardRow) -> str:
    base = total.always_buy.hit_rate
    words = f"Right {share(total.hit_rate)} of {total.n:,} times, where always saying BUY was right {share(base)}"
    if _claims_nothing(total) or total.low is None or total.high is None or base is None:
        return f"{words}."
    if total.low > base:
        return f"{words}: better, by more than chance explains."
    if total.high < base:
        return f"{words}: worse, by more than chance explains."
    return f"{words}: no more apart than chance explains."


def _confident(total: BoardRow) -> str:
    if _claims_nothing(total) or total.mean_confidence is None or total.low is None or total.high is None:
        return "too little to say whether they are as confident as right"
    if total.mean_confidence > total.high:
        return "more confident than right"
    return "less confident than right" if total.mean_confidence < total.low else "about as confident as right"


def _told(row: BoardRow) -> dict[str, str]:
    base = row.always_buy.hit_rate
    beyond = NOTHING if row.hit_rate is None or base is None else f"{(row.hit_rate - base) * 100:+.0f} points"
    return {
        "Scored": f"{row.n:,} on {_days(row.days)}{', too few' if row.is_few else ''}",
        "Right (95 %)": interval(row.hit_rate, row.low, row.high),
        "Always BUY": share(base),
        "Beyond always BUY": beyond.replace("-", "−"),
        "Signals alone": share(row.own_record.hit_rate),
        "Brier (95 %)": f"{_score(row.brier)} ({_scores(row)})" if row.brier is not None else NOTHING,
        "Said on average": share(row.mean_confidence),
        "Off by": NOTHING if row.calibration_error is None else f"{row.calibration_error * 100:.0f} points",
        "USD per right one": _dollars(row.cost_per_correct_usd),
        "HOLD": f"{row.held:,}",
        "Waiting": f"{row.unscored:,}",
    }


def _name(row: BoardRow, group: Group, labels: Mapping[str, str]) -> str:
    if group == "model":
        return labels.get(row.name, row.name)
    return signal_label(row.name) if group == "signal_type" else row.name


def _versus(total: BoardRow, base: Baseline) -> str:
    if total.hit_rate is None or base.hit_rate is None:
        return "on the same signals"
    points = f"{(total.hit_rate - base.hit_rate) * 100:+.0f}".replace("-", "−")
    return f"verdicts: {points} points"


def _own(base: Baseline) -> str:
    return f"of {base.n:,} with a record" if base.n else "they had no record"


def _reach(low: float | None, high: float | None) -> str:
    return NOTHING if low is None or high is None else f"{low * 100:.0f} to {high * 100:.0f} %"


def _score(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _scores(row: BoardRow) -> str:
    return NOTHING if row.brier_low is None or row.brier_high is None else f"{row.brier_low:.3f}–{row.brier_high:.3f}"


def _dollars(amount: Decimal | None) -> str:
    return NOTHING if amount is None else usd_figure(COST_DIGITS.plus(amount))


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"


def _figure(label: str, value: str, basis: str, hint: str | None = None) -> None:
    st.metric(label, value, basis, delta_color="off", delta_arrow="off", border=True, height="stretch", help=hint)
