"""The workflow as jobs of a cluster: a SLURM of two nodes, on loopback, which the tests stop.

It enforces limits of memory and time, and one of its nodes claims a GPU.

If the tests run as root and SLURM is missing, apt installs it, and it stays installed. A machine
with a configured SLURM is not touched.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Copy

pytestmark = [pytest.mark.workflow, pytest.mark.slurm]

CONFIGURATION = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
MARK = "# Written by tests/workflow/test_slurm.py.\n"
GPU_NODE, OTHER_NODE = "gpunode", "cpunode"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def require_programs() -> None:
    if os.geteuid() != 0:
        pytest.skip("starting a SLURM needs root")
    configured = CONFIGURATION / "slurm.conf"
    if configured.exists():
        left_over = configured.read_text().startswith(MARK) and not processes("slurmctld")
        if not left_over:  # by a test that was killed
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
    node = "NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000"
    settings = (
        ("ClusterName", "test"),
        ("SlurmctldHost", "localhost(127.0.0.1)"),
        ("SlurmUser", "root"),
        ("SlurmdUser", "root"),
        ("AuthType", "auth/munge"),
        ("AuthInfo", f"socket={folder}/munge/socket"),
        ("CommunicationParameters", "NoInAddrAny,NoCtldInAddrAny"),
        ("ProctrackType", "proctrack/linuxproc"),
        ("TaskPlugin", "task/none"),
        ("JobAcctGatherType", "jobacct_gather/linux"),
        ("JobAcctGatherFrequency", "task=1"),
        ("JobAcctGatherParams", "OverMemoryKill"),
        ("AccountingStorageType", "accounting_storage/none"),
        ("SelectType", "select/cons_tres"),
        ("SelectTypeParameters", "CR_Core_Memory"),
        ("MpiDefault", "none"),
        ("ReturnToService", "2"),
        ("MinJobAge", "600"),
        ("KillWait", "1"),
        ("GresTypes", "gpu"),
        ("SlurmctldPort", free_port()),
        ("SlurmctldPidFile", f"{folder}/slurmctld.pid"),
        ("SlurmdPidFile", f"{folder}/slurmd_%n.pid"),
        ("SlurmctldLogFile", f"{folder}/slurmctld.log"),
        ("SlurmdLogFile", f"{folder}/slurmd_%n.log"),
        ("StateSaveLocation", f"{folder}/state"),
        ("SlurmdSpoolDir", f"{folder}/spool_%n"),
        # The nodes have more than the machine, which only waits longer.
        ("SlurmdParameters", "config_overrides"),
        # Jobs go to the first node while it has room.
        ("NodeName", f"{GPU_NODE} {node} Port={free_port()} Weight=1 Gres=gpu:1"),
        ("NodeName", f"{OTHER_NODE} {node} Port={free_port()} Weight=2"),
        ("PartitionName", f"main Nodes={GPU_NODE},{OTHER_NODE} Default=YES MaxTime=INFINITE"),
    )
    return MARK + "".join(f"{key}={value}\n" for key, value in settings)


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


def output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def until(
    fulfilled: Callable[[], bool], what: str, run: "subprocess.Popen[bytes] | None" = None
) -> None:
    """Wait; fail with what does not become true within ten minutes, or before a run ends."""
    end = time.monotonic() + 600
    while not fulfilled():
        if time.monotonic() > end or (run and run.poll() is not None):
            pytest.fail(f"it is not true that {what}")
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    require_programs()
    # Munge runs as its own user, and refuses a folder that only root can enter.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    munge = folder / "munge"
    for place in (munge, folder / "state"):
        place.mkdir()
    (munge / "key").write_bytes(os.urandom(128))
    (munge / "key").chmod(0o600)
    shutil.chown(munge, "munge", "munge")
    shutil.chown(munge / "key", "munge", "munge")
    written = {
        CONFIGURATION / "slurm.conf": slurm_configuration(folder),
        CONFIGURATION / "gres.conf": f"NodeName={GPU_NODE} Name=gpu Count=1 File=/dev/null\n",
    }
    try:
        for path, text in written.items():
            path.write_text(text)
        names = {"key-file": "key", "socket": "socket", "pid-file": "pid"}
        names |= {"log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={munge / name}" for option, name in names.items()]
        subprocess.run(["munged", *options], user="munge", group="munge", check=True)
        subprocess.run(["slurmctld"], check=True)
        for node in (GPU_NODE, OTHER_NODE):
            subprocess.run(["slurmd", "-N", node], check=True)
        states = ["sinfo", "--noheader", "--Node", "--format=%T"]
        until(lambda: output(states).split() == ["idle", "idle"], "both nodes are idle")
        yield folder
    finally:
        for pid_file in (*folder.glob("slurmd_*.pid"), folder / "slurmctld.pid", munge / "pid"):
            stop(pid_file)
        for path in written:
            path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Job:
    """A job as SLURM lists it."""

    number: int
    rule: str
    state: str
    reason: str
    node: str
    memory_mb: int
    requests: str


def jobs() -> list[Job]:
    """Return all jobs since SLURM started, by number."""
    found = []
    for line in output(["scontrol", "show", "job", "--oneliner"]).splitlines():
        values = dict(re.findall(r"(\S+?)=(\S*)", line))
        rule = re.match(r"rule_([a-z_]+?)(?:_wildcards_|$)", values["Comment"])
        assert rule is not None, line
        size, unit = re.fullmatch(r"(\d+)([MG])", values["MinMemoryNode"]).groups()  # type: ignore[union-attr]
        found.append(
            Job(
                number=int(values["JobId"]),
                rule=rule[1],
                state=values["JobState"],
                reason=values["Reason"],
                node=values["NodeList"],
                memory_mb=int(size) * (1024 if unit == "G" else 1),
                requests=" ".join(v for k, v in values.items() if k.startswith("TresPer")),
            )
        )
    return sorted(found, key=lambda job: job.number)


def of(rule: str) -> list[Job]:
    return [job for job in jobs() if job.rule == rule]


def processes(*words: str) -> list[int]:
    """Return the processes whose command line has all words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if all(word in path.read_text(errors="replace") for word in words):
                found.append(int(path.parent.name))
    return found


REMADE = ("tasks", "models", "predictions", "evaluation")


def test_a_run_on_a_cluster_survives_limits_and_a_drained_node(
    cluster: Path, editable: Copy, tiny: Copy
) -> None:
    """From the sequences to the scores of one model.

    The job of the task gets too little memory at first. Pretraining reaches its time limit after
    some epochs, while its node is drained. Only fine-tuning requests a GPU.
    """
    for stage in REMADE:
        shutil.rmtree(editable.results / stage)
    log = editable.folder / "run.txt"
    with log.open("w") as stdout:
        run = subprocess.Popen(
            editable.command(
                "results/test/evaluation/T2/behrt.parquet",
                *("--workflow-profile", "slurm"),
                *("--slurm-status-command", "squeue"),
                *("--slurm-init-seconds-before-status-checks", "1"),
                *("--seconds-between-status-checks", "1"),
                *("--set-resources", "finetune:gpu=1", "task:mem_mb=40*attempt**5"),
                *("--configfile", "config/test.yaml"),
            ),
            cwd=editable.folder,
            env=editable.environment(),
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    try:
        until((editable.results / "models/mlm/checkpoint.pt").exists, "it learns", run)
        (pretraining,) = of("pretrain")
        assert pretraining.node == GPU_NODE
        # It makes no more progress, so it is still running when SLURM looks at its limit.
        for process in processes("pretrain.py", str(editable.folder)):
            os.kill(process, signal.SIGSTOP)
        drain = ["scontrol", "update", f"NodeName={GPU_NODE}"]
        subprocess.run([*drain, "State=DRAIN", "Reason=test"], check=True)
        over = ["scontrol", "update", f"JobId={pretraining.number}", "EndTime=now"]
        subprocess.run(over, check=True)
        unavailable = f"UnavailableNodes:{GPU_NODE}"
        until(lambda: any(unavailable in job.reason for job in of("finetune")), "it waits", run)
        subprocess.run([*drain, "State=RESUME"], check=True)
        run.wait(timeout=900)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 0, log.read_text()[-8000:]

    assert [(job.state, job.node) for job in of("pretrain")] == [
        ("TIMEOUT", GPU_NODE),
        ("COMPLETED", OTHER_NODE),
    ]
    assert "from epoch" in (editable.results / "logs" / "pretrain" / "mlm.log").read_text()
    assert [(job.state, job.memory_mb) for job in of("task")] == [
        ("FAILED", 40),
        ("COMPLETED", 40 * 2**5),
    ]
    first, second = of("pretrain")
    assert second.memory_mb == pytest.approx(2 * first.memory_mb, abs=1)
    logs = (editable.folder / ".snakemake" / "slurm_logs" / "rule_task").rglob("*.log")
    assert any("exceeded memory limit" in path.read_text() for path in logs)
    assert [(job.rule, job.node) for job in jobs() if "gpu" in job.requests] == [
        ("finetune", GPU_NODE)
    ]
    assert {job.rule for job in jobs()} == {"task", "pretrain", "finetune", "evaluate"}
    made, expected = editable.contents(), tiny.contents()
    assert set(REMADE) <= {name.partition("/")[0] for name in made}
    assert [name for name in made if made[name] != expected[name]] == []
