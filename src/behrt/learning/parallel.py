"""One training by several processes, each with a GPU and its share of every batch.

The job starts the processes with `torch.distributed.run`, on one node or, within an allocation of
SLURM, on several. Each runs the script of the job again. All draw the same batches and train on
their shares; the first one writes. A training ends with the weights that one process would have, up
to rounding and to what dropout draws. Nothing here needs torch before a training begins.
"""

import os
import signal
import socket
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

from behrt import logs
from behrt.learning.run import Compute
from behrt.logs import logger

if TYPE_CHECKING:  # its import takes longer than many predictions
    from lightning_fabric import Fabric
    from torch import Tensor


def is_part() -> bool:
    """Return whether this process is one of several that train a model together."""
    return logs.PART in os.environ


def trained_by_parts(compute: Compute) -> bool:
    """Train in several processes where a job asks for them, and return whether that was done.

    It returns false in each of these processes, and where one process is enough.
    """
    if compute.processes == 1 or is_part():
        return False
    logger.info("training in %d processes, nodes: %d", compute.processes, compute.nodes)
    signal.signal(signal.SIGTERM, _stop)
    with subprocess.Popen(command(compute), env={**os.environ, logs.PART: "1"}) as started:
        try:
            status = started.wait()
        except BaseException:
            started.terminate()  # it ends the others, which a kill would not
            raise
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if status:  # the process that failed has logged why
        raise SystemExit(status)
    return True


def _stop(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def port() -> int:
    """Return the port of the first node at which the processes of several nodes meet.

    It depends on the job, since several jobs may share that node.
    """
    return 29_511 + int(os.environ.get("SLURM_JOB_ID", 0)) % 10_000


def command(compute: Compute) -> list[str]:
    """Return the command that runs this script again, once per process."""
    run = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={compute.devices}"]
    if compute.nodes == 1:
        return [*run, "--standalone", *sys.argv]
    each_node = ["srun", "--overlap", f"--nodes={compute.nodes}", f"--ntasks={compute.nodes}"]
    meeting = [
        f"--nnodes={compute.nodes}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={socket.gethostname()}:{port()}",
        f"--rdzv-id={os.environ.get('SLURM_JOB_ID', 'behrt')}",
    ]
    return [*each_node, "--ntasks-per-node=1", *run, *meeting, *sys.argv]


def connected(
    device: str, precision: Literal["32-true", "bf16-mixed"], compute: Compute
) -> "Fabric":
    """Return the lightning-fabric object that connects the processes, of which this is one."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy

    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated")  # older torch needs it
    strategy = DDPStrategy(
        cluster_environment=TorchElasticEnvironment(),
        process_group_backend="nccl" if device == "cuda" else "gloo",
        broadcast_buffers=False,  # all are constants, and processes evaluate unequal numbers
    )
    fabric = Fabric(
        accelerator=device,
        strategy=strategy,
        devices=compute.devices,
        num_nodes=compute.nodes,
        precision=precision,
    )
    fabric.launch()
    return fabric


def leave() -> None:
    """End this process if it is one of several: the job continues where they were started."""
    if is_part():
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        raise SystemExit(0)


def share_of(rows: int, rank: int, processes: int) -> slice:
    """Return the rows of a batch that a process computes.

    If there are fewer rows than processes, each computes all of them, and their mean is the same.

    >>> [share_of(5, rank, 2) for rank in range(2)]
    [slice(0, 2, None), slice(2, 5, None)]
    >>> share_of(1, 1, 2)
    slice(0, 1, None)
    """
    if rows < processes:
        return slice(0, rows)
    return slice(rows * rank // processes, rows * (rank + 1) // processes)


def over_all(fabric: "Fabric", tensor: "Tensor", operation: str) -> "Tensor":
    """Return the `sum` or the `min` of a tensor over all processes, with its shape."""
    reduced = fabric.all_reduce(tensor, reduce_op=operation)
    assert not isinstance(reduced, dict | list | tuple)
    return reduced


def added_up(fabric: "Fabric", array: np.ndarray) -> np.ndarray:
    """Return the sum of an array (float) over all processes."""
    if fabric.world_size == 1:
        return array
    import torch

    total = over_all(fabric, torch.from_numpy(array).to(fabric.device), "sum")
    found: np.ndarray = total.cpu().numpy()
    return found
