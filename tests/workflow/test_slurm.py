"""The workflow as jobs of a cluster: a SLURM of one node, on loopback, which is stopped afterwards.

If the tests run as root and SLURM is missing, apt installs it, and it stays installed. A machine
with a configured SLURM is not touched.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Copy

pytestmark = [pytest.mark.workflow, pytest.mark.slurm]

CONFIGURATION = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def require_programs() -> None:
    if os.geteuid() != 0:
        pytest.skip("starting a SLURM needs root")
    if (CONFIGURATION / "slurm.conf").exists():
        pytest.skip("this machine has a configured SLURM")
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if shutil.which("apt-get") is None:
        pytest.skip("SLURM is not installed, and there is no apt to install it")
    packages = ["--no-install-recommends", "slurm-wlm", "munge"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", *packages]):
        done = subprocess.run(
            ["apt-get", "--quiet", *command], env=quiet, capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"apt-get {command[0]} failed: no network?")


def slurm_configuration(folder: Path) -> str:
    settings = {
        "ClusterName": "test",
        "SlurmctldHost": "localhost(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder}/munge/socket",
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "AccountingStorageType": "accounting_storage/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "MpiDefault": "none",
        "ReturnToService": "2",
        "MinJobAge": "600",
        "GresTypes": "gpu",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/slurmd.pid",
        "SlurmctldLogFile": f"{folder}/slurmctld.log",
        "SlurmdLogFile": f"{folder}/slurmd.log",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/spool",
        # More than jobs ask for; no limit is enforced.
        "SlurmdParameters": "config_overrides",
        "NodeName": "localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:1",
        "PartitionName": "main Nodes=localhost Default=YES MaxTime=INFINITE State=UP",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def stop(pid_file: Path) -> None:
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    require_programs()
    # Munge runs as its own user, and refuses a folder that only root can enter.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    munge = folder / "munge"
    for place in (munge, folder / "state", folder / "spool"):
        place.mkdir()
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o600)
    shutil.chown(munge, "munge", "munge")
    shutil.chown(munge / "key", "munge", "munge")
    written = {
        CONFIGURATION / "slurm.conf": slurm_configuration(folder),
        CONFIGURATION / "gres.conf": "Name=gpu Count=1 File=/dev/null\n",
    }
    try:
        for path, text in written.items():
            path.write_text(text)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid"}
        names |= {"log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={munge / name}" for option, name in names.items()]
        subprocess.run(["munged", *options], user="munge", group="munge", check=True)
        subprocess.run(["slurmctld"], check=True)
        subprocess.run(["slurmd", "-N", "localhost"], check=True)
        state = ""
        for _ in range(150):
            sinfo = ["sinfo", "--noheader", "--format=%T"]
            state = subprocess.run(sinfo, capture_output=True, text=True, check=False).stdout
            if state.strip() == "idle":
                break
            time.sleep(0.2)
        else:
            pytest.fail(f"the node is {state.strip() or 'missing'} instead of idle")
        yield folder
    finally:
        for pid_file in (folder / "slurmd.pid", folder / "slurmctld.pid", munge / "pid"):
            stop(pid_file)
        for path in written:
            path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


REMADE = ("sequences", "tasks", "models", "predictions", "evaluation")


def test_the_workflow_runs_as_jobs_of_a_cluster(cluster: Path, editable: Copy, tiny: Copy) -> None:
    """From events to the scores of one model; training requests the GPU that the node claims."""
    for stage in REMADE:
        shutil.rmtree(editable.results / stage)
    done = editable.snakemake(
        "results/test/evaluation/T2/behrt.parquet",
        *("--workflow-profile", "slurm"),
        *("--slurm-status-command", "squeue"),
        *("--slurm-init-seconds-before-status-checks", "1"),
        *("--seconds-between-status-checks", "1"),
        *("--set-resources", "pretrain:gpu=1", "finetune:gpu=1"),
        *("--configfile", "config/test.yaml"),
    )
    assert done.stdout.count("has been submitted with SLURM jobid") == 7
    scheduled = (cluster / "slurmctld.log").read_text()
    assert "gres" not in scheduled.lower() or "error" not in scheduled.lower()
    made, expected = editable.contents(), tiny.contents()
    assert set(REMADE) <= {name.partition("/")[0] for name in made}
    assert [name for name in made if made[name] != expected[name]] == []
