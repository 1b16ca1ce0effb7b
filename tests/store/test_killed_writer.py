from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of

KILLS = 24
BATCH = 5

# Imports once and forks the writers, so that two dozen kills take seconds. A writer tells of each
# batch only after `flush` has returned: what it told must be there after the kill.
FORK_AND_KILL = """
import json, os, random, signal, sys, time
from tests.helpers.episode_makers import an_episode, an_outcome, at
from agent_market.config import MemorySettings
from agent_market.memory.episodic import EpisodicMemory
from agent_market.store.database import Database

kills, batch = int(sys.argv[2]), int(sys.argv[3])
random.seed(7)

def write(told):
    database = Database(sys.argv[1])
    memory = EpisodicMemory(database, "test", "BTC/USDT", MemorySettings())
    memory.load(before=at(10_000_000))
    held = memory.unsettled()
    hour = 12 + int((held[-1].view.asof - at(0)).total_seconds() // 3600) if held else 0
    while True:
        for episode in memory.unsettled():
            memory.settle(episode, an_outcome(hour, 0.01))
        for _ in range(batch):
            memory.remember(an_episode(hour, belief="b" * 500))
            hour += 12
        memory.flush()
        os.write(told, f"{hour}\\n".encode())

committed = 0
for _ in range(kills):
    reader, told = os.pipe()
    writer = os.fork()
    if writer == 0:
        os.close(reader)
        write(told)
    os.close(told)
    os.read(reader, 1)  # the first batch is written
    time.sleep(random.uniform(0.0, 0.03))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    lines = open(reader).read().split("\\n")
    whole = [int(line) for line in lines[1:] if line]
    committed = max([committed, *whole])
print(json.dumps(committed))
"""


def test_killing_the_writer_leaves_whole_batches_and_all_that_was_reported(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    done = subprocess.run(
        [sys.executable, "-c", FORK_AND_KILL, url, str(KILLS), str(BATCH)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hours_reported = json.loads(done.stdout)

    database = Database(url)
    with database.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    episodes = episodes_of(database, "test")
    database.close()
    assert len(episodes) % BATCH == 0
    assert len(episodes) >= max(hours_reported // 12, KILLS * BATCH)
    hours = [(e.view.asof - episodes[0].view.asof).total_seconds() / 3600 for e in episodes]
    assert hours == [12.0 * n for n in range(len(episodes))]
    assert [e.outcome is None for e in episodes] == [False] * (len(episodes) - BATCH) + [True] * BATCH
