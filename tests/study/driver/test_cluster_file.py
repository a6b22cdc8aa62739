"""cluster.yaml against Ray's own check, as written for the cloud and with its on-premises lines uncommented."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from jsonschema.exceptions import ValidationError
from ray._private.utils import get_ray_client_dependency_error
from ray.autoscaler._private.util import prepare_config, validate_config

from trainables.training import machine

REPOSITORY = Path(__file__).resolve().parents[3]
TEXT = (REPOSITORY / "cluster.yaml").read_text()


def on_premises() -> dict[str, Any]:
    """The file as its last comment says: cloud keys removed, the marked lines uncommented."""
    config = yaml.safe_load(TEXT)
    for name in ("provider", "auth", "available_node_types", "head_node_type", "max_workers"):
        del config[name]
    marked = re.search(r"# --- on-premises ---\n(.*?)# --- end", TEXT, re.DOTALL)
    assert marked is not None
    return {**config, **yaml.safe_load(re.sub(r"^# ", "", marked[1], flags=re.MULTILINE))}


@pytest.mark.parametrize("config", [yaml.safe_load(TEXT), on_premises()], ids=["cloud", "on-premises"])
def test_the_cluster_file_passes_rays_own_check(config):
    validate_config(prepare_config(config))


def test_an_unknown_key_does_not_pass():
    with pytest.raises(ValidationError, match="gpu_wokers"):
        validate_config(prepare_config({**yaml.safe_load(TEXT), "gpu_wokers": 3}))


def test_every_node_switches_usage_statistics_off():
    config = yaml.safe_load(TEXT)
    starts = [
        command
        for name in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in config[name]
        if "ray start" in command
    ]
    assert len(starts) == 2
    assert all("RAY_USAGE_STATS_ENABLED=0" in start and "--disable-usage-stats" in start for start in starts)


def test_workers_are_spot_machines_and_the_head_is_not():
    types = yaml.safe_load(TEXT)["available_node_types"]
    assert {name for name, kind in types.items() if "InstanceMarketOptions" in kind["node_config"]} == {"gpu_worker"}


def starting(*, head: bool) -> str:
    """The command with which the file starts Ray on the head node, or on a worker."""
    commands = yaml.safe_load(TEXT)["head_start_ray_commands" if head else "worker_start_ray_commands"]
    return next(command for command in commands if "ray start" in command)


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Address and token of a head node that the file's own command started, folders, ports and autoscaler aside."""
    token = tmp_path_factory.mktemp("home") / "auth_token"
    token.write_text("0123456789abcdef" * 4)
    command = starting(head=True)
    for own, here in {
        r"cd ~/\S+ && ": "",
        r"\.venv/bin/ray": str(Path(sys.executable).with_name("ray")),
        r"--port=\d+": "--port=0",
        r"--object-manager-port=\d+": "--block --num-cpus=1 --object-store-memory=100000000",
        r"--autoscaling-config=\S+": "",
    }.items():
        command, changes = re.subn(rf"(?<![\w-]){own}" if own.startswith("--") else own, here, command)
        assert changes == 1, own
    command = command.replace("RAY_AUTH_MODE", "exec env RAY_AUTH_MODE", 1)
    environment = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token)}
    with subprocess.Popen(
        ["bash", "-c", command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ray:
        assert ray.stdout is not None
        try:
            lines = iter(ray.stdout.readline, "")
            yield next(found[1] for line in lines if (found := re.search(r"--address='([\d.]+:\d+)'", line))), token
        finally:
            ray.terminate()
            threading.Thread(target=ray.stdout.read, daemon=True).start()
            ray.wait(timeout=60)


def answer_to(address: str, token: Path, mode: str) -> str:
    """What somebody hears who joins Ray at the address: `joined`, or why not."""
    script = f"import ray; ray.init(address={address!r}); print('joined')"
    environment = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(token), "RAY_AUTH_MODE": mode}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as newcomer:
        assert newcomer.stdout is not None
        words = ("joined", "AuthToken")
        heard = next((word for line in newcomer.stdout for word in words if word in line), "nothing")
        newcomer.kill()  # one who is refused goes on asking for minutes
        return heard


def test_the_head_node_lets_nobody_in_without_the_token(head, tmp_path):
    address, token = head
    (other := tmp_path / "other_token").write_text("fedcba9876543210" * 4)
    assert answer_to(address, token, "token") == "joined"
    assert answer_to(address, other, "token") == "AuthToken"
    assert answer_to(address, token, "disabled") == "AuthToken"


def test_every_node_gets_the_token_and_asks_for_it():
    for config in (yaml.safe_load(TEXT), on_premises()):
        assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert all("RAY_AUTH_MODE=token" in starting(head=head) for head in (True, False))


def test_rays_client_server_is_not_there():
    """It opens a port wherever grpcio is installed, which ray's extras bring."""
    config = yaml.safe_load(TEXT)
    commands = [command for name in config if name.endswith("setup_commands") for command in config[name]]
    installed = [package for command in commands for package in re.findall(r"pip install (?:--quiet )?(.*)", command)]
    assert installed == ["boto3"]
    assert get_ray_client_dependency_error() is not None


@pytest.mark.parametrize("missing", ["make", "g++", "git", None])
def test_what_a_machine_lacks_of_make_compiler_and_git_is_installed(missing, tmp_path):
    command = next(command for command in yaml.safe_load(TEXT)["setup_commands"] if "g++" in command)
    log = tmp_path / "asked"
    for tool in {"make", "g++", "git", "sudo"} - {missing}:
        (tmp_path / tool).write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
        (tmp_path / tool).chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-c", command], env={"PATH": str(tmp_path)}, check=True)
    assert ("apt-get install" in log.read_text() if log.exists() else False) == (missing is not None)


def left_out(path: PurePosixPath, patterns: list[str], *, folder: bool) -> bool:
    """Whether rsync's `--exclude` leaves out a path of the project: `/x` at its top only, `x/` folders only."""
    at_top = [p[1:].rstrip("/") for p in patterns if p.startswith("/") and (folder or not p.endswith("/"))]
    anywhere = [p.rstrip("/") for p in patterns if not p.startswith("/") and (folder or not p.endswith("/"))]
    return str(path) in at_top or any(fnmatch(path.name, pattern) for pattern in anywhere)


def test_a_node_gets_no_results_or_data_but_all_that_names_the_commit_in_a_record(tmp_path):
    if not (REPOSITORY / ".git").is_dir():
        pytest.skip(f"not a git checkout: {REPOSITORY}")
    config = yaml.safe_load(TEXT)
    assert config["file_mounts"]["~/pointdistiller-study"] == "."

    def ignored(folder: str, names: list[str]) -> set[str]:
        inside = {name: PurePosixPath(os.path.relpath(Path(folder, name), REPOSITORY)) for name in names}
        return {
            name
            for name, path in inside.items()
            if left_out(path, config["rsync_exclude"], folder=Path(folder, name).is_dir())
        }

    assert {".venv", "results", "data"} <= ignored(str(REPOSITORY), [".venv", "results", "data", "study", ".git"])
    shutil.copytree(REPOSITORY, tmp_path / "node", ignore=ignored, symlinks=True)
    script = "from trainables.training import machine; print(machine.origin()['commit'])"
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "node", capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == machine.origin()["commit"]
    assert re.fullmatch(r"[0-9a-f]{12}\+?\n", told.stdout)


def test_every_node_installs_the_projects_own_lock_file():
    config = yaml.safe_load(TEXT)
    targets = {"head_setup_commands": "setup", "worker_setup_commands": "gpu"}
    makefile = (REPOSITORY / "Makefile").read_text()
    for commands, target in targets.items():
        assert any(re.search(rf"make {target}\b", command) for command in config[commands])
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} does not exist"
