"""The files of deploy/ against the schemas of the tools that read them, and against what this project offers."""

import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from typer.testing import CliRunner

import run_study

REPOSITORY = Path(__file__).resolve().parent.parent
DEPLOY = REPOSITORY / "deploy"
DISK, WORKERS, CLUSTER = yaml.safe_load_all((DEPLOY / "raycluster.yaml").read_text())
JOB = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = kubernetes_validate.latest_version()


def only(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


TEXT, WHOLE, POD = {"type": "string"}, {"type": "integer"}, {"type": "object"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
CLUSTER_FIELDS = only(
    {
        "rayVersion": TEXT,
        "authOptions": only({"mode": {"const": "token"}, "secretName": TEXT}),
        "enableInTreeAutoscaling": {"type": "boolean"},
        "autoscalerOptions": only({"idleTimeoutSeconds": WHOLE, "env": {"type": "array"}}),
        "headGroupSpec": only({"serviceType": {"const": "ClusterIP"}, "rayStartParams": TEXTS, "template": POD}),
        "workerGroupSpecs": {
            "type": "array",
            "items": only(
                {"groupName": TEXT, "replicas": WHOLE, "minReplicas": WHOLE, "maxReplicas": WHOLE}
                | {"rayStartParams": TEXTS, "template": POD}
            ),
        },
    }
)
JOB_FIELDS = only(
    {"clusterSelector": TEXTS, "entrypoint": TEXT, "submissionMode": {"enum": ["K8sJobMode", "HTTPMode"]}}
)
"""The fields of KubeRay 1.6.2 that the two files use, by its API reference: no package ships its own schema."""


def pods() -> list[tuple[str, dict[str, Any]]]:
    groups = [CLUSTER["spec"]["headGroupSpec"], *CLUSTER["spec"]["workerGroupSpecs"]]
    return [(group.get("groupName", "head"), group["template"]) for group in groups]


def check(document: dict[str, Any]) -> None:
    """Raises where Kubernetes' own schema knows a field or a value of the document otherwise."""
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize(("name", "pod"), pods(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_pod_passes_kubernetes_schema(name, pod):
    check({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, **pod})


def test_the_disk_and_the_list_of_workers_pass_kubernetes_schema():
    check(DISK)
    check(WORKERS)


def test_a_misspelt_field_of_a_pod_does_not_pass():
    spec = {**pods()[0][1]["spec"], "tolerationz": []}
    with pytest.raises(kubernetes_validate.ValidationError, match="tolerationz"):
        check({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "head"}, "spec": spec})


def test_the_cluster_and_the_job_have_the_fields_of_kuberay_and_no_others():
    jsonschema.validate(CLUSTER["spec"], CLUSTER_FIELDS)
    jsonschema.validate(JOB["spec"], JOB_FIELDS)
    assert {one["apiVersion"] for one in (CLUSTER, JOB)} == {"ray.io/v1"}
    assert JOB["spec"]["clusterSelector"] == {"ray.io/cluster": CLUSTER["metadata"]["name"]}


def test_rays_autoscaler_reads_the_workers_that_the_driver_is_told_of():
    read = _derive_autoscaling_config_from_ray_cr({**CLUSTER, "metadata": {"name": "study", "namespace": "default"}})
    groups = {name: kind for name, kind in read["available_node_types"].items() if name != read["head_node_type"]}
    told = yaml.safe_load(WORKERS["data"]["ray_bootstrap_config.yaml"])["available_node_types"]
    assert told.keys() == groups.keys()
    for name, kind in groups.items():
        counted = {key: amount for key, amount in kind["resources"].items() if key in ("CPU", "GPU")}
        assert told[name] == {"resources": counted, "max_workers": kind["max_workers"]}
        assert kind["min_workers"] == 0
    assert read["available_node_types"][read["head_node_type"]]["resources"]["CPU"] == 0
    head = pods()[0][1]["spec"]["containers"][0]
    home = next(one["value"] for one in head["env"] if one["name"] == "HOME")
    assert f"{home}/ray_bootstrap_config.yaml" in [mount["mountPath"] for mount in head["volumeMounts"]]


def test_the_ray_of_every_file_is_the_one_that_is_pinned():
    pinned = re.search(r"^ray==(.+)$", (REPOSITORY / "requirements/cuda.lock").read_text(), re.MULTILINE)
    assert pinned
    assert CLUSTER["spec"]["rayVersion"] == pinned[1]


def test_workers_may_be_spot_machines_and_the_head_may_not():
    (_, head), *workers = pods()
    terms = head["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    kept_off = {one["key"]: one["values"] for term in terms["nodeSelectorTerms"] for one in term["matchExpressions"]}
    for _, worker in workers:
        for taint in worker["spec"]["tolerations"]:
            assert taint["key"] == "nvidia.com/gpu" or kept_off[taint["key"]] == [taint["value"]]
    assert "tolerations" not in head["spec"]


def test_the_compose_file_passes_compose_own_schema():
    shipped = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    schema = json.loads(Path(str(shipped)).read_text())
    jsonschema.validate(COMPOSE, schema)
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        jsonschema.validate({**COMPOSE, "services": {"head": {"imagee": "x"}}}, schema)


def test_of_the_compose_nodes_ports_only_loopback_sees_any():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any("network_mode" in service for service in COMPOSE["services"].values())


@pytest.mark.parametrize("service", ["head", "worker"])
def test_every_compose_node_asks_for_the_token_and_calls_nobody(service):
    node = COMPOSE["services"][service]
    assert node["environment"]["RAY_AUTH_MODE"] == "token"
    assert node["environment"]["RAY_AUTH_TOKEN_PATH"] == f"/run/secrets/{node['secrets'][0]}"
    assert node["environment"]["RAY_USAGE_STATS_ENABLED"] == "0"
    assert "--disable-usage-stats" in node["command"]


def commands() -> list[tuple[str, str]]:
    """Every call of `run_study.py` in deploy/ and in its page: file, and the rest of the line."""
    files = [*sorted(DEPLOY.iterdir()), REPOSITORY / "docs/clusters.md"]
    return [(path.name, rest) for path in files for rest in re.findall(r"run_study\.py ([^`\n]*)", path.read_text())]


def test_every_command_and_option_that_the_files_name_exists():
    found = commands()
    assert {"rayjob.yaml", "compose.yaml", "slurm.sh", "clusters.md"} <= {name for name, _ in found}
    for name, rest in found:
        help_ = CliRunner().invoke(run_study.app, [rest.split()[0], "--help"], env={"COLUMNS": "300"})
        assert help_.exit_code == 0, f"{name}: {rest}"
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in help_.output, f"{name}: {rest}"


def test_no_token_stands_in_a_file():
    for path in DEPLOY.iterdir():
        assert not re.search(r"[0-9a-f]{32}|RAY_AUTH_TOKEN[\"']?[:=]\s*\S", path.read_text()), path.name
