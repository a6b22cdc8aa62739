"""What a trained detector does with its validation split, as plain arrays beside its record: read without torch.

Two files: inspection.npz holds the arrays that are listed below, inspection.json says what they are. The JSON is
written last and taken away first, so that where it is the arrays are whole.

Counts are N; of D detections and M objects of the whole split, at each of the T scores of `least`:

    voxels                  (N,) how many voxels hold 0, 1, 2, ... points; empty for detectors without voxels
    detection_frame         (D,) which of `frames`; likewise `object_frame` (M,)
    detection_box           (D, 7) middle x, y, z, length, width, height in m, yaw in rad; `object_box` (M, 7)
    detection_label         (D,) which of `classes`; `object_label` (M,)
    detection_points        (D,) points inside; `object_points` (M,)
    detection_score         (D,)
    detection_fate          (T, D) `RIGHT`, `WRONG` (a false positive) or `NEITHER` (also: below that score)
    object_difficulty       (M,) which of `difficulties`, -1: none of them
    object_fate             (T, M) `RIGHT` (found), `WRONG` (missed) or `NEITHER` (not asked for)
    scene_points            (P, 3) m, of the frame `scene`
    scene_position          (R, 3) m, of its rows; pillars, cells or points
    scene_importance        (R,) as PointDistiller ranks them
"""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.json_files import write_json

RIGHT, WRONG, NEITHER = 1, 0, -1
"""Fates of detections and objects."""
ARRAYS = (
    "voxels", "detection_frame", "detection_box", "detection_label", "detection_points", "detection_score",
    "detection_fate", "object_frame", "object_box", "object_label", "object_points", "object_difficulty",
    "object_fate", "scene_points", "scene_position", "scene_importance",
)  # fmt: skip


class Inspection(Frozen):
    """What the arrays are."""

    key: str
    classes: tuple[str, ...]
    difficulties: tuple[str, ...]
    rule: str
    """How detections are matched with objects, in words."""
    least: tuple[float, ...]
    """Scores, ascending: a detection below one is not there."""
    frames: tuple[str, ...]
    scene: str
    """The frame that is drawn."""
    rows: str
    """What the scene's rows are: `pillars`, `cells` or `points`."""
    importance: str
    """What their importance is, in words."""
    voxel: tuple[float, float, float] | None = None
    """Edges of a voxel, m."""


@dataclass(frozen=True, eq=False)
class Inspected:
    """One inspection: what the arrays are, and the arrays by name."""

    facts: Inspection
    arrays: Mapping[str, NDArray[Any]]

    def write(self, path: Path) -> None:
        """Keep it.

        Args:
            path: of the JSON file; the arrays lie beside it.
        """
        path.unlink(missing_ok=True)
        target = path.with_suffix(".npz")
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        arrays: dict[str, Any] = {name: self.arrays[name] for name in ARRAYS}
        try:
            with partial.open("wb") as file:
                np.savez_compressed(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        write_json(path, self.facts.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> "Inspected | None":
        """What was kept; None where nothing was.

        Raises:
            InputError: the files hold something else.
        """
        if not path.exists():
            return None
        try:
            facts = Inspection.model_validate_json(path.read_bytes())
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as content:
                return cls(facts, {name: content[name] for name in ARRAYS})
        except ValidationError as error:
            raise InputError(f"{path}: not an inspection: {error.errors()[0]['msg']}") from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path.with_suffix('.npz')}: not the arrays of an inspection: {error}") from None
