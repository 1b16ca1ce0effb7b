"""The power figures of docs/how-to/tuning.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from agent_market.stats.power import effect_of_ic, power


def test_the_table_of_power_is_what_the_code_computes(repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "tuning.md").read_text()
    rows = re.findall(r"^\| (0\.\d+) \| ([\d,]+) \| (\d+)% \| (\d+)% \| (\d+)% \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for ic, count, *chances in rows:
        effect, decisions = effect_of_ic(float(ic)), int(count.replace(",", ""))
        for trials, chance in zip((1, 4, 12), chances, strict=True):
            assert round(100 * power(effect, decisions, trials)) == int(chance)
