"""Where the cells of a sweep are run: Dask in processes of this machine, or a cluster of one's own.

It is asked first whether it can do the work: same versions, the data, a folder that all see.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import logging
import os
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvq_tutorial import __version__
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import cache_root
from cvq_tutorial.experiments import remote

ANSWER = 10.0  # seconds within which a scheduler must answer


@dataclass(frozen=True)
class Where:
    """Where the cells of a sweep are run.

    workers: how many processes of this machine side by side; with 1, and no scheduler, the sweep
        does them itself, without Dask.
    scheduler: address of a cluster of Dask, such as tcp://10.0.0.1:8786, whose workers do them.
    gather: its workers see other disks than this machine; run folders come back through it.
    dashboard: say where Dask shows what it does.
    """

    workers: int = 1
    scheduler: str = ""
    gather: bool = False
    dashboard: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for no worker, or for what cannot be combined."""
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 1:
            raise ValueError(f"workers: expected an integer of 1 or more, found {self.workers!r}")
        if self.scheduler and self.workers != 1:
            raise ValueError("workers are of this machine: expected them or a scheduler, not both")
        if self.gather and not self.scheduler:
            raise ValueError("gather: expected a scheduler, whose workers see other disks")
        if self.dashboard and not self.on_dask:
            raise ValueError("dashboard: expected 2 workers or more, or a scheduler")
        if self.dashboard and importlib.util.find_spec("bokeh") is None:
            raise ValueError(
                "dashboard: expected bokeh 3.1 or newer, found none: pip install bokeh"
            )

    @property
    def on_dask(self) -> bool:
        """Whether Dask is needed at all."""
        return self.workers > 1 or bool(self.scheduler)


@contextmanager
def connected(where: Where, root: Path, workers: int) -> Iterator[Any]:
    """A client of the scheduler that was named, or of one that is started here, with workers.

    Raises OSError if no scheduler of our version answers, ValueError if its address is none.
    """
    import distributed
    from distributed import Client, LocalCluster

    if where.scheduler:
        if (found := _version_at(where.scheduler)) != (ours := distributed.__version__):
            raise OSError(f"{where.scheduler}: expected Dask {ours} as here, found {found}")
        with Client(where.scheduler, timeout=ANSWER, set_as_default=False, name="cvq") as client:
            yield client
        return
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    place = str(cache_root() / "dask" / name)  # of this sweep alone
    shutil.rmtree(place, ignore_errors=True)  # of one that was killed
    of_scheduler = {"dashboard": where.dashboard, "local_directory": place}
    try:
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, memory_limit=0, silence_logs=100,
                dashboard_address="127.0.0.1:0", scheduler_kwargs=of_scheduler,
                local_directory=place, preload=[remote.__name__],
            ) as cluster,
            Client(cluster, set_as_default=False, name="cvq") as client,
        ):  # fmt: skip
            yield client
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _version_at(address: str) -> str:
    """Of Dask, as the scheduler at an address says; asked before it is spoken to in earnest."""
    import distributed

    async def ask() -> str:
        how = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, timeout=ANSWER, connection_args=how) as scheduler:
            return (await scheduler.versions())["packages"]["distributed"]

    def answer() -> str:
        return asyncio.run(asyncio.wait_for(ask(), 2 * ANSWER))

    try:
        with ThreadPoolExecutor(1) as apart:  # a notebook has a loop already
            return apart.submit(answer).result()
    except ValueError as error:
        told = f"expected an address such as tcp://10.0.0.1:8786, found {address!r}"
        raise ValueError(f"{told}: {error}") from None
    except Exception as error:  # of many kinds
        told = f"no scheduler of Dask answers at {address} within {ANSWER:.0f} s"
        raise OSError(f"{told}: {str(error) or type(error).__name__}") from None


def examined(client: Any, who: str, asked: dict, say: Callable[[str], object]) -> None:
    """Raises OSError: a scheduler or workers that cannot do the work. Who comes is asked later."""
    import distributed

    for address, about in client.get_versions()["workers"].items():
        if (other := about["packages"]["distributed"]) != (ours := distributed.__version__):
            raise OSError(f"the worker {address}: expected Dask {ours} as here, found {other}")
    try:
        other = client.run_on_scheduler(remote.version)
    except Exception as error:
        raise OSError(f"the scheduler {who} needs cvq_tutorial, too: {error}") from None
    if other != __version__:
        raise OSError(f"{who}: expected cvq_tutorial {__version__} as here, found {other}")
    answers = client.run(remote.ready, json.dumps(asked), on_error="return")
    for address, why in answers.items():
        if why and not isinstance(why, str):  # it did not find what it was asked
            why = f"expected cvq_tutorial {__version__} to be installed there: {why}"
        if why:
            raise OSError(f"the worker {address}: {' '.join(str(why).split())[:500]}")
    say(f"workers: {len(answers)}" if answers else "there is no worker yet: waiting for one")


@contextmanager
def shared_file(root: Path, where: Where) -> Iterator[dict | None]:
    """A file that workers must see if storage is shared: its path, and what it holds."""
    if where.gather:
        yield None
        return
    for left in root.glob(".shared-*"):
        left.unlink(missing_ok=True)
    holds = secrets.token_hex(16)
    path = write_atomic(root.resolve() / f".shared-{holds[:8]}", holds.encode())
    try:
        yield {"path": str(path), "holds": holds}
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Dask's own logs and warnings are not shown: what matters is said here, in one line."""
    if os.environ.get("CVQ_TRACEBACK"):
        yield
        return
    import distributed  # sets its loggers up

    names = ("distributed", "distributed.client", "distributed.worker", "tornado.application")
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            warnings.filterwarnings("ignore", "Creating scratch directories", UserWarning)
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
