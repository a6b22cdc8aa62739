"""deploy/slurm.sh: shellcheck finds nothing, and it runs a study on two nodes of Ray where `srun` starts steps here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_run
import yaml

from study.nouns.records import StudyFiles

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPT = REPOSITORY / "deploy/slurm.sh"
SRUN = """#!/bin/bash
# One step on this machine: options of Slurm fall away, and workers take the address of loopback, as the head does.
echo "srun $*" >> "$LOG"
while [[ $1 == --* ]]; do shift; done
[[ $* == *--address=* ]] && set -- "$@" --node-ip-address=127.0.0.1
exec "$@" --object-store-memory=100000000
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> "$LOG"
[[ $1 != show ]] || printf '%s\\n' node1 node2
"""


def test_shellcheck_finds_nothing_in_the_batch_script():
    checked = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), str(SCRIPT)], check=False, capture_output=True, text=True
    )
    assert checked.stdout + checked.stderr == ""
    assert checked.returncode == 0


def options() -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]


def test_a_job_is_queued_again_and_warned_before_its_time_is_up():
    assert {"--requeue", "--signal=B:USR1@300", "--ntasks-per-node=1"} <= set(options())


def environment(folder: Path) -> dict[str, str]:
    """What Slurm sets for a job on two nodes, with its two commands replaced by ones that stay on this machine."""
    (folder / "bin").mkdir()
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "token").write_text("0123456789abcdef" * 4)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "LOG": str(folder / "log"),
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "HEAD_ADDRESS": "127.0.0.1",
        "SLURM_SUBMIT_DIR": str(REPOSITORY),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_CPUS_PER_TASK": "1",
    }


def test_a_job_without_a_token_starts_nothing(tmp_path):
    given = environment(tmp_path)
    (tmp_path / "token").unlink()
    refused = subprocess.run(["bash", str(SCRIPT), "x"], env=given, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"slurm.sh: no token in {tmp_path}/token; make one with: ")
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("while_running", ["ray start --head", "python run_study.py"])
def test_a_job_whose_time_is_up_ends_its_study_and_is_queued_again(while_running, tmp_path):
    given = environment(tmp_path)
    for name, text in {
        "python": "[[ $1 == - ]] || exec sleep 60",
        "ray": "[[ $1 == health-check ]] || exec sleep 60",
    }.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/bash\necho "{name} $*" >> "$LOG"\n{text}\n')
        (tmp_path / "bin" / name).chmod(0o755)
    log = tmp_path / "log"
    with subprocess.Popen(
        ["bash", str(SCRIPT), "search"],
        env={**given, "PYTHON": str(tmp_path / "bin/python")},
        stdout=subprocess.DEVNULL,
    ) as job:
        for _ in range(100):
            time.sleep(0.1)
            if log.exists() and while_running in log.read_text():
                break
        job.send_signal(signal.SIGUSR1)
        assert job.wait(timeout=20) == 128 + signal.SIGTERM
    said = log.read_text().splitlines()
    address = f"127.0.0.1:{20000 + os.getpid() % 10000}"
    assert f"python run_study.py run search --address {address} --resume" in said
    assert said[-1] == f"scontrol requeue {os.getpid()}"


@pytest.mark.long
def test_a_job_runs_its_study_on_two_nodes_and_leaves_no_ray_behind(tmp_path):
    base = json.loads(tiny_run.BASE.model_dump_json(exclude_unset=True))
    asked = {"name": "tiny", "question": "?", "base": base, "points": [{"label": "student"}], "seeds": [0]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(asked))
    arguments = [str(tmp_path / "tiny.yaml"), "--results", str(tmp_path / "results")]
    with (tmp_path / "said").open("w") as said:  # not a pipe: whoever is left behind would hold it open
        done = subprocess.run(
            ["bash", str(SCRIPT), *arguments], env=environment(tmp_path), check=False, timeout=240,
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    assert done.returncode == 0, (tmp_path / "said").read_text()
    assert "Ray runs on 2 nodes" in (tmp_path / "said").read_text()
    assert [record.status for record in StudyFiles(tmp_path / "results", "tiny").all()] == ["finished"]
    log = (tmp_path / "log").read_text()
    assert "--nodelist=node1" in log
    assert "--nodelist=node2" in log
    assert "requeue" not in log
    left = subprocess.run(["pgrep", "-af", f"/tmp/ray-{os.getpid()}/"], check=False, capture_output=True, text=True)
    assert left.stdout == ""
    shutil.rmtree(f"/tmp/ray-{os.getpid()}")
