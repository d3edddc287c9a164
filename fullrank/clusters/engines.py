"""Dask and Ray: a function over items, and the results merged two by two, where the cluster decides."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from fullrank.errors import UserError

Merge = Callable[[Any, Any], Any]
RETRIES = 3  # of a task whose worker was lost
PATIENCE = 10.0  # seconds in which a scheduler answers


class Engine(Protocol):
    """Applies a function to each item on a cluster; with `merge` the results are one, else as many as items."""

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], merge: Merge | None) -> list[Any]: ...


def engine(cluster: str) -> Engine:
    """What runs functions on a cluster: dask or ray on this machine, or at an address that stands behind a colon.

    >>> engine("spark")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no cluster spark: pass --on dask or --on ray, or either with :ADDRESS.
    """
    name, _, address = cluster.partition(":")
    if name not in _ENGINES:
        raise UserError(f"There is no cluster {name}: pass --on dask or --on ray, or either with :ADDRESS.")
    run, package = _ENGINES[name]
    if importlib.util.find_spec(package) is None:
        raise UserError(f"--on {name} needs {package}: pip install 'fullrank[{name}]'.")
    return partial(run, address or None)


def _dask(address: str | None, function: Callable[[Any], Any], items: Sequence[Any], merge: Merge | None) -> list[Any]:
    from distributed import KilledWorker

    with _client(address, len(items)) as client:
        futures = client.map(function, list(items), pure=False)
        left = futures
        while merge is not None and len(left) > 1:
            left = [client.submit(merge, *left[at : at + 2], pure=False) if at + 1 < len(left) else left[at]
                    for at in range(0, len(left), 2)]  # fmt: skip
        try:
            found: list[Any] = client.gather(left)
        except KilledWorker as error:
            raise _lost("dask") from error
        return found


@contextmanager
def _client(address: str | None, items: int) -> Iterator[Any]:
    """A client of a scheduler that is there, or of one of this machine's own, with a process for each core."""
    from distributed import Client, LocalCluster

    if address is not None:
        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise _silent("Dask scheduler", address, error) from error
        with client:
            yield client
        return
    workers = max(1, min(os.cpu_count() or 1, items))
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            scheduler_kwargs={"dashboard": False},
            silence_logs="CRITICAL",
        ) as here,
        Client(here) as client,
    ):
        yield client


def _ray(address: str | None, function: Callable[[Any], Any], items: Sequence[Any], merge: Merge | None) -> list[Any]:
    import ray

    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise _silent("Ray cluster", str(address), error) from error
    try:
        task = ray.remote(max_retries=RETRIES)(_called)
        left = [task.remote(function, item) for item in items]
        while merge is not None and len(left) > 1:
            left = [task.remote(merge, *left[at : at + 2]) if at + 1 < len(left) else left[at]
                    for at in range(0, len(left), 2)]  # fmt: skip
        found: list[Any] = ray.get(left)
        return found
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError) as error:
        raise _lost("ray") from error
    finally:
        ray.shutdown()


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def _lost(name: str) -> UserError:
    return UserError(
        f"--on {name} lost the workers of one shard again and again: look at their logs, and where memory is short, "
        "pass smaller shards."
    )


def _silent(what: str, address: str, error: Exception) -> UserError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
    return UserError(f"No {what} answers at {address} ({first}): start one there, or leave the address out.")


_ENGINES: dict[str, tuple[Callable[..., list[Any]], str]] = {"dask": (_dask, "distributed"), "ray": (_ray, "ray")}
