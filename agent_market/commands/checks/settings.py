"""The config: it loads, its values are valid, and they agree with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_market.commands.checks.finding import Finding, fail, ok, warn
from agent_market.config import SECTION, AgentMarketSettings, load_settings
from agent_market.errors import AgentMarketError

DEFAULT_JWT_KEY = "somethingRandomSomethingRandom123"


def load_config(files: Sequence[Path], userdir: Path | None) -> tuple[dict[str, Any] | None, Finding]:
    """Merge config files and environment as freqtrade does; the config is None if freqtrade refuses.

    :param userdir: as `--userdir`; None lets the config or freqtrade's default decide.
    """
    from freqtrade.configuration import Configuration
    from freqtrade.configuration.config_validation import validate_config_schema
    from freqtrade.enums import RunMode
    from freqtrade.exceptions import FreqtradeException

    args: dict[str, Any] = {"config": [str(file) for file in files]}
    if userdir is not None:
        args["user_data_dir"] = str(userdir)
    names = ", ".join(map(str, files))
    try:
        config = Configuration(args, RunMode.OTHER).get_config()
        validate_config_schema(config, preliminary=True)
    except (FreqtradeException, ValueError) as error:  # ValueError: an unknown trading or margin mode
        return None, fail("config", f"{names}: {error}", "correct the file; freqtrade would refuse it too")
    return config, ok("config", f"{names} loads")


def settings(config: Mapping[str, Any]) -> tuple[AgentMarketSettings | None, Finding]:
    """Whether the section `agent_market` is valid; the settings are None if not."""
    try:
        found = load_settings(config)
    except AgentMarketError as error:
        return None, fail(
            "settings", str(error), "see docs/reference/configuration.md for every key and its range"
        )
    if SECTION not in config:
        return found, warn(
            "settings", f"no section `{SECTION}`: all defaults", "agent-market init brings example configs"
        )
    return found, ok("settings", "valid")


def freqai_section(config: Mapping[str, Any], settings: AgentMarketSettings) -> Finding:
    """Whether FreqAI is on, and its label horizon the one that decisions are measured over."""
    freqai = config.get("freqai", {})
    if not freqai.get("enabled", False):
        return fail(
            "freqai", "`freqai.enabled` is not true", "take the section `freqai` of config/dryrun.json"
        )
    label = freqai.get("feature_parameters", {}).get("label_period_candles")
    horizon = settings.decision.horizon_candles
    if label != horizon:
        return warn(
            "freqai",
            f"label_period_candles is {label}, agent_market.decision.horizon_candles is {horizon}",
            "set both to the same: the model is trained on, and decisions are measured over, horizon_candles",
        )
    return ok("freqai", f"trains on {freqai.get('train_period_days')} days, horizon {horizon} candles")


def model_prices(settings: AgentMarketSettings) -> Finding:
    """Whether every model that may be asked on another machine has a price; without one no run starts."""
    from agent_market.errors import ConfigError
    from agent_market.llm.endpoints.client import endpoints_of
    from agent_market.llm.usage.pricing import PriceTable

    table = PriceTable(settings.budget)
    try:
        for endpoint in endpoints_of(settings.llm):
            table.of(endpoint.model, endpoint.base_url)
    except ConfigError as error:
        return fail("prices", str(error), "see docs/reference/models.md")
    budget = settings.budget
    day, run = (f"{caps.cost:g} {budget.currency}" for caps in (budget.day, budget.run))
    return ok("prices", f"every model has one; at most {day} a day, {run} a run")


def api_secrets(config: Mapping[str, Any]) -> Finding | None:
    """Whether an enabled REST API can be entered without a secret; None where it is off."""
    from agent_market.bot.rest.credentials import ADVICE, weak_credentials

    api = config.get("api_server", {})
    weak = weak_credentials(api)
    if not api.get("enabled", False):
        if not weak or "password" not in api:
            return None
        closed = "`agent-market webserver` refuses to start until they are set"
        return warn("API secrets", f"off; {'; '.join(weak)}; {closed}", ADVICE)
    if weak:
        return fail("API secrets", "; ".join(weak), ADVICE)
    return ok("API secrets", "set")


def secrets_in_files(files: Sequence[Path]) -> Finding:
    """Whether a config file holds a secret that belongs in the environment."""
    import rapidjson
    from freqtrade.configuration.load_config import CONFIG_PARSE_MODE

    places = {
        "exchange": ("key", "secret", "password", "walletAddress", "privateKey"),
        "telegram": ("token",),
        "api_server": ("password", "jwt_secret_key", "ws_token"),
    }
    found = []
    for file in files:
        raw = rapidjson.loads(file.read_text(encoding="utf-8"), parse_mode=CONFIG_PARSE_MODE)
        found += [
            f"{file}: {section}.{key}"
            for section, keys in places.items()
            for key in keys
            if raw.get(section, {}).get(key)
        ]
    if found:
        return warn(
            "secrets", ", ".join(found), "move it to the environment, e.g. FREQTRADE__EXCHANGE__SECRET=..."
        )
    return ok("secrets", "none in the config files")
