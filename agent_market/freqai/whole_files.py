"""A mend for freqtrade: without it, a bot that is killed while FreqAI saves may not start again.

FreqAI writes its list of models and its past predictions in place.  A file that is half written is an error
at the next start (only an empty one of predictions is mended from its copy).  Seen with freqtrade 2026.9.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from freqtrade.freqai.data_drawer import FreqaiDataDrawer

from agent_market.durable import replacing

SAVED = {
    "save_historic_predictions_to_disk": "historic_predictions_path",
    "save_drawer_to_disk": "pair_dictionary_path",
    "save_global_metadata_to_disk": "global_metadata_path",
}
"""Methods of the drawer that save a file, and the attribute that names it."""


def save_whole_files(drawer: FreqaiDataDrawer) -> None:
    """Make `drawer` put these files in place in one step each: a kill leaves the old one or the new one."""
    lock = threading.RLock()  # the thread that trains saves, and so does the end of the bot
    for method, attribute in SAVED.items():
        setattr(drawer, method, _whole(drawer, getattr(drawer, method), attribute, lock))


def _whole(
    drawer: FreqaiDataDrawer, save: Callable[..., None], attribute: str, lock: threading.RLock
) -> Callable[..., None]:
    def save_and_replace(*args: Any, **kwargs: Any) -> None:
        with lock:
            path: Path = getattr(drawer, attribute)
            with replacing(path) as fresh:
                setattr(drawer, attribute, fresh)
                try:
                    save(*args, **kwargs)
                finally:
                    setattr(drawer, attribute, path)

    return save_and_replace
