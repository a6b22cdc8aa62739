"""cluster.yaml against Ray's own check, as written for the cloud and with its on-premises lines uncommented."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.exceptions import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

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


def test_the_cloud_opens_no_port_but_ssh():
    assert not re.search(r"0\.0\.0\.0|dashboard-host|ray-client-server", TEXT)


def test_the_nodes_get_the_project_but_neither_results_nor_data():
    config = yaml.safe_load(TEXT)
    assert config["file_mounts"] == {"~/pointdistiller-study": "."}
    assert {"results/", "data/", ".venv/"} <= set(config["rsync_exclude"])


def test_every_node_installs_the_projects_own_lock_file():
    config = yaml.safe_load(TEXT)
    targets = {"head_setup_commands": "setup", "worker_setup_commands": "gpu"}
    makefile = (REPOSITORY / "Makefile").read_text()
    for commands, target in targets.items():
        assert any(re.search(rf"make {target}\b", command) for command in config[commands])
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} does not exist"
