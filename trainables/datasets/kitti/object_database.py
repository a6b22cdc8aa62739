"""The ground-truth database: every labeled object of the training split cut out with its points.

Ground-truth sampling (Yan et al., SECOND, Sensors 2018, section 3.2) pastes these objects into other frames. Written as
mmdet3d 1.4's `DataBaseSampler` reads it. Differs from create_data.py: files carry the frame's name instead of its
position in the split, and the three evaluated classes are always listed, so that a class that never occurs does not
crash the sampler's filter (leave it out of `sample_groups` all the same: see `drawable_objects`).
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.datasets.kitti.infos import CATEGORIES
from trainables.datasets.whole_files import write_atomically

DATABASE = "kitti_gt_database"
DATABASE_INFOS = "kitti_dbinfos_train.pkl"
EVALUATED = CATEGORIES[:3]


class ObjectDatabase:
    """Collects the objects of the training frames one after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects: dict[str, list[dict[str, Any]]] = {name: [] for name in EVALUATED}

    def add_frame(
        self,
        info: Mapping[str, Any],
        points: NDArray[np.float32],
        boxes: NDArray[np.float64],
        inside: NDArray[np.bool_],
    ) -> None:
        """Write each object's points, relative to its bottom center, and remember what it is.

        Args:
            info: the frame's entry in the info file; M of its instances are objects, the others DontCare.
            points: (P, 4) points inside the image.
            boxes: (M, 7) LiDAR boxes of the objects.
            inside: (M, P) which point lies in which box.
        """
        frame = Path(info["lidar_points"]["lidar_path"]).stem
        objects = [instance for instance in info["instances"] if instance["bbox_label"] >= 0]
        for number, (instance, box, mask) in enumerate(zip(objects, boxes.astype(np.float32), inside, strict=True)):
            name = CATEGORIES[instance["bbox_label"]]
            cut = points[mask]
            cut[:, :3] -= box[:3]
            path = f"{DATABASE}/{frame}_{name}_{number}.bin"
            write_atomically(self.root / path, cut.tobytes())
            self.objects.setdefault(name, []).append(
                {
                    "name": name,
                    "path": path,
                    "image_idx": info["sample_idx"],
                    "gt_idx": number,
                    "box3d_lidar": box,
                    "num_points_in_gt": len(cut),
                    "difficulty": instance["difficulty"],
                    "group_id": sum(map(len, self.objects.values())),
                }
            )

    def finish(self) -> None:
        """Write the list of all objects."""
        write_atomically(self.root / DATABASE_INFOS, pickle.dumps(self.objects))


def drawable_objects(root: Path, min_points: Mapping[str, int]) -> dict[str, int]:
    """How many objects of each class ground-truth sampling can draw from.

    mmdet3d's sampler crashes on a class that has none, so a pipeline must sample only the classes counted here.

    Args:
        root: a prepared data root.
        min_points: class -> smallest number of points, as in the sampler's `filter_by_min_points`.

    Returns:
        class -> number of objects with a difficulty and enough points, for the classes of `min_points`.
    """
    objects = pickle.loads((root / DATABASE_INFOS).read_bytes())
    return {
        name: sum(bool(o["difficulty"] != -1 and o["num_points_in_gt"] >= least) for o in objects.get(name, []))
        for name, least in min_points.items()
    }
