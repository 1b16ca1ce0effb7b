"""Whether the API server's door has a lock: empty and published credentials are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PUBLISHED = {
    "password": ("SuperSecretPassword", "SuperSecurePassword", "freqtrade", "freqtrader", "password"),
    "jwt_secret_key": ("super-secret", "somethingrandom", "somethingRandomSomethingRandom123"),
    "ws_token": ("sercet_Ws_t0ken", "secret_Ws_t0ken"),
}
"""What examples and documentation of freqtrade show, by key of `api_server`."""
ADVICE = (
    "set FREQTRADE__API_SERVER__USERNAME, ..__PASSWORD and ..__JWT_SECRET_KEY in the environment: "
    "who enters can trade"
)


def weak_credentials(api: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the section `api_server`, a phrase each; empty = nothing."""
    weak = [f"`{key}` is empty" for key in ("username", "password") if not str(api.get(key) or "").strip()]
    if "jwt_secret_key" in api and not api["jwt_secret_key"]:
        weak.append("`jwt_secret_key` is empty")
    tokens = api.get("ws_token") or ()
    for key, known in PUBLISHED.items():
        said = [tokens] if key == "ws_token" and isinstance(tokens, str) else api.get(key, known[-1:])
        if any(value in known for value in ([said] if isinstance(said, str) else said)) and api.get(key):
            weak.append(f"`{key}` is freqtrade's public default")
    if "jwt_secret_key" not in api:
        weak.append("`jwt_secret_key` is freqtrade's public default")
    return tuple(weak)
