"""Choose where parallel parts of steps run: joblib on this machine, or a Ray or Dask cluster.

Steps only call `joblib.Parallel()`; the backend is chosen here.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib

from agent_market.errors import ConfigError
from agent_market.flow.settings import FlowParallel

PACKAGES = {"ray": "ray[default]", "dask": "dask[distributed]"}


@contextmanager
def workers(settings: FlowParallel) -> Iterator[None]:
    """Make every `joblib.Parallel()` inside the block use the chosen backend and number of jobs.

    Only the chosen backend is imported, registered and connected to.

    :raises ConfigError: the backend is not installed, or its cluster cannot be reached.
    """
    if settings.backend in ("loky", "threading"):
        with joblib.parallel_config(backend=settings.backend, n_jobs=settings.jobs):
            yield
        return
    cluster = _ray(settings) if settings.backend == "ray" else _dask(settings)
    try:
        with joblib.parallel_config(backend=settings.backend, n_jobs=settings.jobs):
            yield
    finally:
        cluster()


def _ray(settings: FlowParallel) -> Any:
    ray, register = _module("ray", "ray"), _module("ray", "ray.util.joblib")
    try:
        ray.init(address=settings.address, ignore_reinit_error=True)
    except ConnectionError as error:
        raise ConfigError(
            f"flow.parallel.address = {settings.address!r}: no Ray cluster there: {error}"
        ) from error
    register.register_ray()
    return ray.shutdown


def _dask(settings: FlowParallel) -> Any:
    distributed = _module("dask", "distributed")
    try:
        client = distributed.Client(settings.address) if settings.address else distributed.Client()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"flow.parallel.address = {settings.address!r}: no Dask cluster there: {error}"
        ) from error
    return client.close


def _module(backend: str, name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"flow.parallel.backend = {backend!r}, but {name} cannot be imported ({error}); "
            f"pip install {PACKAGES[backend]!r}, or choose `loky`"
        ) from error
