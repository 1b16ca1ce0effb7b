"""A mend for freqtrade: without it, live retraining fails from the second time on.

Feather files come back with another timezone class than live candles have; concatenating both makes the
`date` column `object`, and every later training dies quietly ("Can only use .dt accessor") while the
first model is kept for ever.  Seen with freqtrade 2026.9; `tests/freqtrade_contract` says when it is gone.
"""

from __future__ import annotations

from datetime import timezone
from typing import Any

from freqtrade.freqai.data_drawer import FreqaiDataDrawer


def unify_timezones(drawer: FreqaiDataDrawer) -> None:
    """Make `drawer.load_all_pair_histories` give every frame the timezone class of live candles."""
    load = drawer.load_all_pair_histories

    def load_and_unify(*args: Any, **kwargs: Any) -> None:
        load(*args, **kwargs)
        for frames in drawer.historic_data.values():
            for timeframe, frame in frames.items():
                if len(frame):
                    date = frame["date"].dt.tz_convert(timezone.utc)  # noqa: UP017 - the class matters
                    frames[timeframe] = frame.assign(date=date)

    drawer.load_all_pair_histories = load_and_unify  # type: ignore[method-assign]
