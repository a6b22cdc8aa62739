"""The lists of pinned packages are whole and honest, set-up fails in one line, and what `make test` compiled works."""

import os
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
LOCKS = sorted((REPOSITORY / "requirements").glob("*.lock"))
PINNED = re.compile(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)")

LEFT_OUT = {
    "mmdet3d": {"open3d", "plyfile", "scikit-image", "tensorboard"},  # drawing and data sets of indoor scenes
    "lyft-dataset-sdk": {"black", "fire", "flake8", "plotly", "pytest"},
    "nuscenes-devkit": {"descartes", "fire", "parameterized"},  # maps
    "cumm": {"fire"},
    "pccm": {"fire", "portalocker"},
    "spconv": {"fire"},
}
"""Requirements that nothing here imports, by who asks for them."""

HEADLESS = {"opencv-python": "opencv-python-headless"}
OLDER_WANTED = {("nuscenes-devkit", "numpy"), ("nuscenes-devkit", "shapely")}
"""Requirements met by a newer release than the package asks for: tests of its evaluation say whether that holds."""


def pins(lock: Path) -> dict[str, str]:
    """Version by canonical package name. Raises ValueError at a line that pins no exact version."""
    pinned: dict[str, str] = {}
    for line in lock.read_text().splitlines():
        if line and not line.startswith("#"):
            found = PINNED.fullmatch(line)
            if not found:
                raise ValueError(f"{lock.name}: not `name==version`: {line!r}")
            pinned[canonicalize_name(found[1])] = found[2]
    return pinned


def installed_lock() -> dict[str, str]:
    """The pins of the list that this environment was made from."""
    try:
        version("mmcv-lite")
    except PackageNotFoundError:
        return pins(REPOSITORY / "requirements/cuda.lock")
    return pins(REPOSITORY / "requirements/cpu.lock")


def requirements(package: str) -> list[Requirement]:
    """What an installed package requires on this machine, extras aside."""
    wanted = [Requirement(line) for line in distribution(package).requires or ()]
    return [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_list_pins_one_exact_version(lock: Path) -> None:
    assert pins(lock)


def test_a_range_in_a_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.lock").write_text("numpy>=2\n")
    with pytest.raises(ValueError, match=r"bad\.lock: not `name==version`: 'numpy>=2'"):
        pins(tmp_path / "bad.lock")


def test_the_installed_versions_are_the_pinned_ones() -> None:
    pinned = installed_lock() | pins(REPOSITORY / "requirements/dev.lock")
    installed = {name: version(name).split("+")[0] for name in pinned}  # torch 2.13.0+cpu is torch 2.13.0
    assert installed == pinned


def test_every_requirement_is_pinned_or_left_out_on_purpose() -> None:
    pinned = installed_lock()
    unmet = []
    for package in pinned:
        for wanted in requirements(package):
            name = canonicalize_name(HEADLESS.get(wanted.name, wanted.name))
            if name in LEFT_OUT.get(package, ()):
                continue
            if name not in pinned:
                unmet.append(f"{package} requires {wanted}: not in the list")
            elif not wanted.specifier.contains(pinned[name]) and (package, name) not in OLDER_WANTED:
                unmet.append(f"{package} requires {wanted}: the list has {pinned[name]}")
    assert not unmet


def test_what_is_named_as_left_out_is_asked_for_and_absent() -> None:
    for package, names in LEFT_OUT.items():
        if package in installed_lock():
            assert names <= {canonicalize_name(wanted.name) for wanted in requirements(package)}, package
            assert not (names - {"pytest"}) & installed_lock().keys(), package


def test_the_lists_for_cpu_and_cuda_agree_where_they_overlap() -> None:
    cpu, cuda = pins(REPOSITORY / "requirements/cpu.lock"), pins(REPOSITORY / "requirements/cuda.lock")
    differing = {name for name in cpu.keys() & cuda.keys() if cpu[name] != cuda[name]}
    assert differing == {"setuptools"}  # mmcv's build needs pkg_resources, which later releases no longer have


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=REPOSITORY, env=clean, capture_output=True, text=True, check=False)


def test_set_up_without_python_311_ends_with_one_line_that_says_so(tmp_path: Path) -> None:
    outcome = make("setup", f"VENV={tmp_path}/venv", "PYTHON=no-such-python")
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines()[0].startswith("set-up: Python 3.11 is needed, and there is no 'no-such-python'")


def test_set_up_without_a_compiler_ends_with_one_line_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "venv.stamp").touch()
    stamp = tmp_path / "torch-cluster.stamp"
    outcome = make(
        str(stamp), f"VENV={tmp_path}", "CXX=no-such-compiler", "--assume-old", f"{tmp_path}/cpu-torch.stamp"
    )
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines()[0].startswith("set-up: torch-cluster needs a C++ compiler")


def test_make_alone_lists_every_target_for_people() -> None:
    listed = {line.split()[0] for line in make().stdout.splitlines()}
    assert listed >= {"study", "test", "lint", "gpu", "clean"}


def test_torch_cluster_finds_the_neighbors_that_a_loop_finds() -> None:
    if "REQUIRE_TORCH_CLUSTER" not in os.environ:
        pytest.importorskip("torch_cluster", reason="torch-cluster is not compiled here; `make test` compiles it")
    from torch_cluster import knn

    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    queries, neighbors = knn(points, points[:20], k=5)
    for query in range(20):
        expected = (points - points[query]).norm(dim=1).argsort()[:5]
        assert set(neighbors[queries == query].tolist()) == set(expected.tolist())
