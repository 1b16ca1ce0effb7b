"""The nets of one FreqAI window: trained on what the store knew by then, kept in the window's own bundle.

FreqAI saves a window's model as one joblib file; the nets travel in it.  With `freqai.continual_learning` a
backtest goes on from the window before, read from that file and not from memory: so a killed run, whose
earlier windows come from FreqAI's cache of predictions, goes on from the same nets.
"""

from __future__ import annotations

import importlib.util
import logging
from datetime import UTC, datetime
from pathlib import Path

import cloudpickle

from agent_market.config import AgentMarketSettings
from agent_market.decision.nets.bundle import NetBundle
from agent_market.decision.nets.dataset import decision_log
from agent_market.errors import ConfigError
from agent_market.freqai.patches.atomic_saves import is_saved_whole
from agent_market.memory.note_store import forgotten
from agent_market.pipeline.quant import QuantModel
from agent_market.store.database import Database
from agent_market.store.episodes import read_episodes

logger = logging.getLogger(__name__)

NEEDED = ("torch", "arch")


def require_torch(settings: AgentMarketSettings) -> None:
    """Say at the start what a net needs and is not installed.

    :raises ConfigError: `decision.weighting` names a net and torch (or arch, for its gate) is absent.
    """
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if settings.decision.has_nets and absent:
        raise ConfigError(
            f"agent_market.decision.weighting = {settings.decision.weighting!r} needs what is not installed: "
            f"{', '.join(absent)}; run `pip install 'agent-market[rl]'`, or choose a weighting without nets, "
            "such as 'hedge'"
        )


def window_nets(
    database: Database,
    scope: str,
    pair: str,
    experts: tuple[str, ...],
    moment_s: int,
    settings: AgentMarketSettings,
    earlier: NetBundle | None,
) -> NetBundle:
    """Train the nets of one pair at one moment, and log who decides from here on.

    :param moment_s: close of the newest candle of the training span; nothing known later is learned.
    :param earlier: nets of the window before to go on from, or None to begin at the prior.
    """
    from agent_market.decision.nets.train import train_nets  # noqa: PLC0415 - torch

    moment = datetime.fromtimestamp(moment_s, UTC)
    gone = forgotten(database, scope, pair)
    episodes = [e for e in read_episodes(database, scope, pair) if e.id not in gone]
    log = decision_log(episodes, experts, moment, settings.decision, settings.costs)
    bundle = train_nets(log, settings.decision, moment_s, earlier)
    logger.info("%s at %s: %s", pair, f"{moment:%Y-%m-%d %H:%M}", bundle.summary)
    return bundle


def earlier_nets(data_path: Path) -> NetBundle | None:
    """The nets that FreqAI saved of the newest window before this one, if there are any.

    A window that a kill left half saved is passed over.

    The folder alone names them: live, FreqAI names the model's file only after it was trained.

    :param data_path: FreqAI's folder of this window, `sub-train-<COIN>_<timestamp>`; in it is
        `cb_<coin>_<timestamp>_model.joblib`.
    """
    prefix, _, now = data_path.name.rpartition("_")
    coin = prefix.removeprefix("sub-train-").lower()
    found = {
        int(stamp): folder
        for folder in data_path.parent.glob(f"{prefix}_*")
        if (stamp := folder.name.removeprefix(f"{prefix}_")).isdigit() and int(stamp) < int(now)
    }
    for trained_s in sorted(found, reverse=True):
        name = f"cb_{coin}_{trained_s}"
        if is_saved_whole(found[trained_s], name):
            with (found[trained_s] / f"{name}_model.joblib").open("rb") as stream:
                model = cloudpickle.load(stream)
            return model.nets if isinstance(model, QuantModel) else None
    return None
