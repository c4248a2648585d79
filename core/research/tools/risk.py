"""The tool that tells a portfolio's risk figures in a window."""

from __future__ import annotations

from pydantic import Field

from core.research.tools.portfolio_window import Windowed


class RiskArguments(Windowed):
    """Which window, and beside what."""

    benchmark: str | None = Field(None, max_length=20, description="Symbol; default: the portfolio's own")


class Risk:
    """Risk figures of daily time-weighted returns."""

    name = "risk"
    description = (
        "Risk of the portfolio's daily time-weighted returns in a window: volatility, Sharpe, Sortino, beta, alpha, R², "
        "max and current drawdown, CAGR, Calmar, VaR and CVaR 95 %, with n and the risk-free rate. Fractions of one."
    )
    arguments = RiskArguments
    needs_portfolio = True
