"""Providers that do not repeat the nonce of a request for a sign-in, such as LinkedIn.

Authlib refuses their answers and has no option for that (its issue 763). The state, which the browser's own cookie
holds, and the exchange of the code under our secret still bind the answer to the browser that asked for it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def allow_missing_nonce(names: Collection[str]) -> None:
    """Lets answers of these providers come without a nonce, never with another; those of all others need theirs."""
    if not names:
        return
    from authlib.integrations import starlette_client

    class App(starlette_client.StarletteOAuth2App):  # type: ignore[misc]  # Authlib ships no types
        async def parse_id_token(self, token: dict[str, Any], nonce: str, **options: Any) -> Any:
            """The checked claims of the id token."""
            if self.name not in names:
                return await super().parse_id_token(token, nonce, **options)
            claims = await super().parse_id_token(token, None, **options)
            if claims is not None and claims.get("nonce", nonce) != nonce:
                raise starlette_client.OAuthError("The nonce is that of another request.")
            return claims

    # Streamlit derives its own class from this one when somebody signs in for the first time.
    starlette_client.StarletteOAuth2App = App
