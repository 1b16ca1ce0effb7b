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
    """Configs, user_data and candles, as every freqtrade command of a flow gets them.

    :param alone: `overlay` is a whole config, and the files of the flow are not given.
    """
    files = (overlay,) if alone else (*plan.settings.config, overlay)
    configs = [part for file in files for part in ("--config", str(file))]
    return [*configs, "--userdir", str(plan.settings.userdir), "--datadir", str(plan.datadir)]


def write_config(plan: FlowPlan, file: Path, overlay: Mapping[str, Any]) -> Path:
    """The config that the flow lays over the files: archived with the run, it tells what was really run."""
    merged = deep_merge_dicts(dict(overlay), chosen_config(plan.settings))
    replace_text(file, json.dumps(merged, indent=2, default=str) + "\n")
    return file
