"""Calls on a Ray cluster (extra `scale`). Ray takes them to the nodes; there they run as `local` runs them here.

So a call has the same deadline, environment and second chances on a node, and Ray's own part is to notice lost nodes.
Only calls and what comes of them travel: no key, and no request to a teacher, is ever on a node.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from trainer_host.errors import TrainerError
from trainer_host.execution.local import LocalExecutor
from trainer_host.execution.worker import packed_call, packed_error, unpacked
from trainer_host.executor import DEADLINE_SECONDS, RERUNS, CallFailed, WorkerLost

if TYPE_CHECKING:
    from types import ModuleType

    from ray import ObjectRef

P = ParamSpec("P")
T = TypeVar("T")

NODE_LOSSES = 5  # per call; cheap machines are taken away at any time, and the call isn't to blame
CONNECT_SECONDS = 10.0
_SETTINGS = 4  # the type of HTTP/2's first frame
QUEUE_SECONDS = 240.0  # beyond the call's own time: for a node to be lost, another one found, a process started


class RayExecutor:
    """See `Executor`. Belongs to one event loop; the nodes need the same version of Enigma."""

    def __init__(self, address: str, deadline: float = DEADLINE_SECONDS) -> None:
        """Connect to the cluster at "host:port", "auto" or "ray://host:port"; raises `TrainerError`."""
        self._ray = _ray()
        self._deadline = deadline
        self._ours = not self._ray.is_initialized()
        if self._ours:
            _connect(self._ray, address)
        self.capacity = max(1, int(self._ray.cluster_resources().get("CPU", 0)))
        self._slots = asyncio.Semaphore(self.capacity)
        self._closed = False
        self._call = self._ray.remote(max_retries=NODE_LOSSES, num_cpus=1)(_on_node)

    async def submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Executor`; raises `WorkerLost` where the cluster loses the call again and again."""
        call = packed_call(function, args, kwargs)
        name = getattr(function, "__qualname__", "the call")
        async with self._slots:
            if self._closed:
                raise RuntimeError("the executor is closed")
            ref: ObjectRef[bytes] = self._call.remote(call, name, self._deadline, _version())
            outcome = await self._outcome(ref, name)
        return cast(T, unpacked(outcome))

    async def close(self) -> None:
        """Disconnect, unless somebody else had connected; the cluster stays."""
        if not self._closed:
            self._closed = True
            if self._ours:
                self._ray.shutdown()

    async def _outcome(self, ref: ObjectRef[bytes], name: str) -> bytes:
        seconds = self._deadline * (1 + RERUNS) + QUEUE_SECONDS
        done = False
        try:
            async with asyncio.timeout(seconds):
                outcome = await asyncio.wrap_future(ref.future())
            done = True
            return bytes(outcome)
        except TimeoutError:
            raise WorkerLost(
                f"The Ray cluster hasn't run {name} for {seconds:.0f} seconds; see 'ray status'."
            ) from None
        except self._ray.exceptions.RayTaskError as cause:
            done = True
            raise CallFailed(f"A node of the Ray cluster can't run {name}: {_last_line(cause)}") from None
        except self._ray.exceptions.RayError as cause:
            done = True
            raise WorkerLost(
                f"The Ray cluster lost {name} {1 + NODE_LOSSES} times ({type(cause).__name__}); see 'ray status'."
            ) from None
        finally:
            if not done and self._ray.is_initialized():
                # Cancelled, or too late: its process on the node isn't needed any more.
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._ray.cancel(ref, force=True)


def _on_node(call: bytes, name: str, deadline: float, version: str) -> bytes:
    """In a worker of Ray's: run the call in a process that can be ended, as on the driver's machine."""
    if version != _version():
        return packed_error(
            CallFailed(f"A node of the Ray cluster has Enigma {_version()}, this machine {version}; install the same.")
        )
    runner, executor = _here(deadline)
    try:
        return runner.run(executor.run(call, name))
    except (TimeoutError, TrainerError) as error:
        return packed_error(error)


@cache
def _here(deadline: float) -> tuple[asyncio.Runner, LocalExecutor]:
    """One process beside each of Ray's, which runs one call at a time; it ends with it."""
    return asyncio.Runner(), LocalExecutor(1, deadline)


def _ray() -> ModuleType:
    # Before the import, which reads it: nothing is reported to anyone.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError:
        raise TrainerError("A Ray cluster needs the package ray; install Enigma with the extra 'scale'.") from None
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    refused = TrainerError(
        f"No Ray cluster answers at '{address[:200]}'; start one with 'ray start --head', and give its HOST:PORT."
    )
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and not _speaks_grpc(host.strip("[]"), port):
        raise refused
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError, ImportError, TimeoutError):
        raise refused from None
    # A lost node's log would be printed into what a command prints; `log_to_driver` doesn't cover that, and there is
    # no public switch.
    ray._private.worker._worker_logs_enabled = False


def _speaks_grpc(host: str, port: str) -> bool:
    """Whether a server there begins HTTP/2 as gRPC's do (RFC 9113 section 3.4): Ray itself would try for minutes."""
    try:
        with socket.create_connection((host, int(port)), CONNECT_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS") == "1":
                return True
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0]))
            head = connection.recv(9)
    except (OSError, ValueError, OverflowError):
        return False
    return len(head) == 9 and head[3] == _SETTINGS


def _version() -> str:
    from edge_runtime import __version__

    return __version__


def _last_line(cause: Exception) -> str:
    lines = str(cause).strip().splitlines()
    return lines[-1][:300] if lines else type(cause).__name__
