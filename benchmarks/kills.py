"""A real dry-run bot with open trades, killed with -9 at 200 seeded random moments, and checked each time.

After each kill: both databases open clean (integrity and foreign keys), every decision and outcome that the
bot told as written is stored once and as it was told, a transaction that was struck is there as a whole or
not at all, trades name stored decisions, and kill switch, mode and breaker stand as they were set. At the
end every outcome is measured anew on the whole market. The value is how many things were found otherwise; it
must be 0. With `--retraining` the bot trains all the time, nets too, and most kills strike within that or
as FreqAI saves; then every model that FreqAI lists must load as well.

    python benchmarks/kills.py [--kills 200] [--seed 11] [--retraining] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "bot"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))
from kill_run import killed_bots


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11, help="of the market and of the moments")
    parser.add_argument("--retraining", action="store_true", help="train all the time, and kill within it")
    parser.add_argument("--folder", type=Path, help="where the bot lives; kept. A temporary one if left out.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "bot"
        with killed_bots(folder, options.seed, options.retraining) as (report, kill_once):
            for _ in track(range(options.kills), description="kills"):
                kill_once()
            problems = report.problems()
    print(report.table())
    for problem in problems:
        print("PROBLEM", problem)
    result = {
        "name": "kills",
        "value": len(problems),
        "unit": "things lost, doubled or torn",
        "against": f"{report.kills} kill -9 of a dry-run with open trades",
        "ratio": len(problems) / max(report.kills, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
