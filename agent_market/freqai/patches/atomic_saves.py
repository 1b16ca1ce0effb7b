"""A mend for freqtrade: without it, a run that is killed while FreqAI saves may fail at every later start.

FreqAI writes in place: live its list of models and its past predictions (only an empty file of those is
mended from its copy), in a backtest the predictions of each window.  A file that is half written is an error
at the next start, until somebody deletes it.  A model is spread over several files, and counts as saved once
the first of them is there.  Seen with freqtrade 2026.9; `tests/freqtrade_contract` says when it is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freqtrade.freqai.data_drawer import TRAINDF, FreqaiDataDrawer
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen

from agent_market.utils.durable import atomic_write

SAVED = {
    "save_historic_predictions_to_disk": "historic_predictions_path",
    "save_drawer_to_disk": "pair_dictionary_path",
    "save_global_metadata_to_disk": "global_metadata_path",
}
"""Methods of the drawer that save a file, and the attribute that names it."""

AFTER_THE_MODEL = TRAINDF
"""FreqAI saves the training rows after all that it loads: where they are, the model is whole."""


def save_whole_files(drawer: FreqaiDataDrawer) -> None:
    """Make `drawer` put these files in place in one step each: a kill leaves the old one or the new one."""
    lock = threading.RLock()  # the thread that trains saves, and so does the end of the bot
    for method, attribute in SAVED.items():
        setattr(drawer, method, _whole(drawer, getattr(drawer, method), attribute, lock))


def save_whole_predictions(kitchen: FreqaiDataKitchen) -> None:
    """The same for the predictions of a backtest's window."""
    save = kitchen.save_backtesting_prediction
    whole = _whole(kitchen, save, "backtesting_results_path", threading.RLock())
    kitchen.save_backtesting_prediction = whole  # type: ignore[method-assign]


def is_saved_whole(folder: Path, model: str) -> bool:
    """Whether FreqAI came to the end of saving a model.

    :param folder: FreqAI's folder of one training, `sub-train-<COIN>_<timestamp>`.
    :param model: the name that its files begin with, `cb_<coin>_<timestamp>`.
    """
    return (folder / f"{model}_{AFTER_THE_MODEL}.pkl").is_file()


def _whole(
    owner: FreqaiDataDrawer | FreqaiDataKitchen,
    save: Callable[..., None],
    attribute: str,
    lock: threading.RLock,
) -> Callable[..., None]:
    def save_and_replace(*args: Any, **kwargs: Any) -> None:
        with lock:
            path: Path = getattr(owner, attribute)
            with atomic_write(path) as fresh:
                setattr(owner, attribute, fresh)
                try:
                    save(*args, **kwargs)
                finally:
                    setattr(owner, attribute, path)

    return save_and_replace
