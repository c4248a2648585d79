"""Which universe a model means: by its id, by its title, or the default one."""

from __future__ import annotations

from rapidfuzz import fuzz, process

from core.db.instruments_dao import UniverseRow
from core.errors import NotFound
from core.market.market import Market
from core.principal import Principal

ALIKE = 80.0
"""Likeness of a title, of 100, from which it is taken for the one that is meant."""


def universe_of(market: Market, principal: Principal, named: str) -> UniverseRow:
    """The universe of this id or title that the principal may screen; the default one where none is named.

    Raises:
        NotFound: there is none like it; the sentence names those there are.
    """
    universes = market.universes.list(principal)
    wanted = named.strip().casefold()
    if not wanted and universes:
        return universes[0]
    exact = next((each for each in universes if wanted in (each.id.casefold(), each.title.casefold())), None)
    if exact is not None:
        return exact
    titles = {place: each.title.casefold() for place, each in enumerate(universes)}
    found = process.extractOne(wanted, titles, scorer=fuzz.token_set_ratio, score_cutoff=ALIKE)
    if found is not None:
        return universes[found[2]]
    offered = "; ".join(f"{each.id} ({each.title})" for each in universes[:10])
    raise NotFound(f"There is no universe {named[:60]!r}; there are: {offered or 'none'}.")
