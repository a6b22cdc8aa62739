"""A Ray that the tests of studies share."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_study
from ray import cloudpickle
from s3_server import new_bucket, served

cloudpickle.register_pickle_by_value(toy_study)


@pytest.fixture(scope="session")
def server() -> Iterator[dict[str, str]]:
    """What a client's environment says of a real S3 server."""
    with served() as environment:
        yield environment


@pytest.fixture
def url(server, monkeypatch) -> str:
    """The URL of a place in an empty bucket, which this process and those that it starts can use."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return new_bucket(server)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Address of a Ray of three CPUs that no study started, on a machine whose GPU it does not give away."""
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--port=0", "--num-cpus=3", "--num-gpus=0"]
    quiet = ["--block", "--disable-usage-stats", "--include-dashboard=false", "--object-store-memory=100000000"]
    with subprocess.Popen(
        [*command, *quiet], env={**os.environ, "CUDA_VISIBLE_DEVICES": "0"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as ray:  # fmt: skip
        assert ray.stdout is not None
        try:
            lines = iter(ray.stdout.readline, "")
            yield next(found[1] for line in lines if (found := re.search(r"--address='([\d.]+:\d+)'", line)))
        finally:
            ray.terminate()
            threading.Thread(target=ray.stdout.read, daemon=True).start()
            ray.wait(timeout=60)
