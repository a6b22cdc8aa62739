"""Class-balanced sampling of keyframes (Zhu et al., CBGS, arXiv 1908.09492) that bears a class without any keyframe.

Importing this module registers `BalancedKeyframes`, to be used in the place of mmdet3d's `CBGSDataset`, which divides
by zero there.
"""

from typing import Any

import numpy as np

from study.nouns.errors import InputError
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.datasets import CBGSDataset  # noqa: E402
from mmdet3d.registry import DATASETS  # noqa: E402


@DATASETS.register_module()
class BalancedKeyframes(CBGSDataset):
    """`CBGSDataset` in which every class that occurs comes up equally often; keyframes are drawn when it is built."""

    def _get_sample_indices(self, dataset: Any) -> list[int]:
        """As many keyframes of each class, at least one, drawn with replacement of NumPy's global stream."""
        of_class: list[list[int]] = [[] for _ in self.metainfo["classes"]]
        for place in range(len(dataset)):
            for label in dataset.get_cat_ids(place):
                if label != -1:
                    of_class[label].append(place)
        total, drawn = sum(map(len, of_class)), list[int]()
        for places in filter(None, of_class):
            ratio = (1 / len(of_class)) / (len(places) / total)
            drawn += np.random.choice(places, max(1, int(len(places) * ratio))).tolist()
        if not drawn:
            raise InputError("class-balanced sampling needs a labeled object in a training keyframe; there is none")
        return drawn
