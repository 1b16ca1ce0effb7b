"""Arguments and configs of the freqtrade commands of a flow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from freqtrade.misc import deep_merge_dicts

from agent_market.flow.plan import FlowPlan, chosen_config
from agent_market.utils.durable import replace_text


def common_arguments(plan: FlowPlan, overlay: Path, *, alone: bool = False) -> list[str]:
    """Return the options for configs, user_data and candles of every freqtrade command of a flow.

    :param alone: `overlay` is a complete config; leave out the config files of the flow.
    """
    files = (overlay,) if alone else (*plan.settings.config, overlay)
    configs = [part for file in files for part in ("--config", str(file))]
    return [*configs, "--userdir", str(plan.settings.userdir), "--datadir", str(plan.datadir)]


def write_config(plan: FlowPlan, file: Path, overlay: Mapping[str, Any]) -> Path:
    """Write the config that the flow lays over the config files; archived as a record of the run."""
    merged = deep_merge_dicts(dict(overlay), chosen_config(plan.settings))
    replace_text(file, json.dumps(merged, indent=2, default=str) + "\n")
    return file
