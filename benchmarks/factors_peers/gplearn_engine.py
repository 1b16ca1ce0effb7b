"""gplearn's programs on given expressions; run by the interpreter of an environment that has gplearn.

    python gplearn_engine.py FOLDER

FOLDER holds `samples.npz` (X: samples x features, y) and `gplearn.json` (programs in prefix order: names of
functions, feature numbers as integers, constants as floats).  Each is executed and scored by gplearn's own
Pearson fitness.  Prints {"seconds": [...]} of CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from gplearn._program import _Program
from gplearn.fitness import _fitness_map
from gplearn.functions import _function_map


def main() -> None:
    folder = Path(sys.argv[1])
    samples = np.load(folder / "samples.npz")
    x, y = samples["X"], samples["y"]
    weight = np.ones(len(y))
    functions = list(_function_map.values())
    seconds = []
    for prefix in json.loads((folder / "gplearn.json").read_text()):
        program = _Program(
            function_set=functions,
            arities={},
            init_depth=(2, 6),
            init_method="half and half",
            n_features=x.shape[1],
            metric=_fitness_map["pearson"],
            transformer=None,
            const_range=(-1.0, 1.0),
            p_point_replace=0.05,
            parsimony_coefficient=0.001,
            random_state=np.random.RandomState(0),
            program=[_function_map[node] if isinstance(node, str) else node for node in prefix],
        )
        started = time.process_time()
        program.raw_fitness(x, y, weight)
        seconds.append(time.process_time() - started)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
