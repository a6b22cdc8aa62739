"""What every test can ask for."""

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
