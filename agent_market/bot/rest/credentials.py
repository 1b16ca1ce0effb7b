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
    for key, known in PUBLISHED.items():
        if any(value in known for value in _texts(api.get(key))):
            weak.append(f"`{key}` is freqtrade's public default")
    if "jwt_secret_key" not in api:
        weak.append("`jwt_secret_key` is freqtrade's public default")
    return tuple(weak)


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of a setting that is one text or a list of them; none of what is null or of another type."""
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple) else ()
