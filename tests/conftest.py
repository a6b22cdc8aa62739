"""What every test can ask for."""

import importlib.util
import os
from pathlib import Path

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real frames (`kitti_mini/`, `nuscenes_one/`), or a skip with the reason."""
    root = Path(os.environ.get("PDSTUDY_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / "kitti_mini").is_dir():
        pytest.skip(f"real frames are not at {root}; set PDSTUDY_REAL_DATA to the folder that holds kitti_mini/")
    return root


@pytest.fixture(scope="session")
def lite() -> None:
    """The CPU operators in mmcv's functions, or a skip: a full mmcv keeps its own, most of them for CUDA only."""
    from trainables.ops.setup.bridge import install

    install()
    if importlib.util.find_spec("mmcv._ext").loader is not None:  # type: ignore[union-attr]
        pytest.skip("mmcv has its compiled operators here; the bridge leaves them alone")
