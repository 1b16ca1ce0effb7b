from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import joblib
import pytest

from agent_market.errors import ConfigError
from agent_market.flow.parallel import workers
from agent_market.flow.settings import FlowParallel


def backend_in_use():
    parallel = joblib.Parallel()
    return type(parallel._backend).__name__, parallel.n_jobs


def test_work_inside_the_block_takes_the_chosen_backend():
    before = backend_in_use()
    with workers(FlowParallel(backend="threading", jobs=3)):
        assert backend_in_use() == ("ThreadingBackend", 3)
    assert backend_in_use() == before
    with workers(FlowParallel(jobs=2)):
        assert backend_in_use() == ("LokyBackend", 2)


@pytest.mark.parametrize(("backend", "module"), [("ray", "ray"), ("dask", "distributed")])
def test_a_backend_that_is_not_installed_is_a_clear_error(monkeypatch, backend, module):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"flow\.parallel\.backend = '{backend}'.*pip install.*or choose `loky`"
    with pytest.raises(ConfigError, match=message), workers(FlowParallel(backend=backend)):
        pass


def test_a_cluster_is_registered_only_when_chosen_and_left_afterwards(monkeypatch):
    seen = []
    register = SimpleNamespace(register_ray=lambda: seen.append("registered"))
    ray = SimpleNamespace(
        init=lambda address, ignore_reinit_error: seen.append(address), shutdown=lambda: seen.append("left")
    )
    found = {"ray": ray, "ray.util.joblib": register}
    imported = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name: found.get(name) or imported(name))
    joblib.register_parallel_backend("ray", joblib.parallel.BACKENDS["threading"])
    with workers(FlowParallel(backend="loky")):
        assert seen == []
    with workers(FlowParallel(backend="ray", jobs=2, address="ray://here:1")):
        assert seen == ["ray://here:1", "registered"]
        assert backend_in_use()[1] == 2
    assert seen[-1] == "left"
    joblib.parallel.BACKENDS.pop("ray")
