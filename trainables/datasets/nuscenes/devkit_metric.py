"""nuScenes' evaluation in mmengine, by the development kit. Importing this module registers `NuScenesDevkitMetric`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import load

from study.nouns.inspections import NEITHER, RIGHT, WRONG
from trainables.datasets import Judged
from trainables.datasets.nuscenes import ground_truth
from trainables.datasets.nuscenes.center_matching import RULE, matched
from trainables.datasets.nuscenes.detections import Detections, in_the_world
from trainables.datasets.nuscenes.devkit_score import rules, score
from trainables.datasets.nuscenes.keyframes import LABEL_OF
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.evaluation.metrics import NuScenesMetric  # noqa: E402
from mmdet3d.registry import METRICS  # noqa: E402


@METRICS.register_module()
class NuScenesDevkitMetric(NuScenesMetric):
    """`NuScenesMetric` that gives the metrics of `detection_score` without reading a table."""

    def __init__(
        self,
        *,
        frames: Sequence[int] | None = None,
        point_cloud_range: Sequence[float] | None = None,
        **settings: Any,
    ) -> None:
        """Args: as of `NuScenesMetric`.

        frames: places in `ann_file` of the keyframes that are evaluated, in their order; None: all.
        point_cloud_range: what the detector sees, where that is not its config's own range: objects beyond it do not
            count.
        """
        super().__init__(**settings)
        self.frames = frames
        self.rules = rules(point_cloud_range)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep what is found in some keyframes."""
        self.results += [
            {"sample_idx": sample["sample_idx"], "found": Detections.of(sample["pred_instances_3d"])}
            for sample in data_samples
        ]

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """All metrics of all keyframes; `results` are those of `process`."""
        _, truth, found = self._seen(results)
        return score(truth, found, self.rules)

    def judged(self, least: Sequence[float]) -> Judged:
        """What becomes of all that it has processed."""
        infos, truth, found = self._seen(self.results)
        classes = self.dataset_meta["classes"]
        floor = np.array(least)[:, None]
        fates = matched(truth, found, self.rules)
        detections = [result["found"] for result in self.results]
        instances = [[one for one in info["instances"] if one["bbox_label_3d"] >= 0] for info in infos]
        scores = np.concatenate([one.scores for one in detections])
        found_with = np.concatenate([one.found_with for one in fates])
        asked_for = np.concatenate([one.asked_for for one in fates])
        of_found = np.concatenate([one.of_found for one in fates])
        label_of = {label: classes.index(kind) if kind in classes else -1 for kind, label in LABEL_OF.items()}
        labels = np.array(
            [label_of[one["bbox_label_3d"]] for of_frame in instances for one in of_frame], dtype=np.int64
        )
        kept = labels >= 0
        of_truth = np.where(found_with >= floor, RIGHT, WRONG)
        return Judged(
            frames=tuple(asked.token for asked in truth),
            difficulties=(),
            rule=RULE,
            detection_frame=np.repeat(np.arange(len(detections)), [len(one.scores) for one in detections]),
            detection_box=np.concatenate([one.boxes[:, :7] for one in detections]),
            detection_label=np.concatenate([one.labels for one in detections]),
            detection_score=scores,
            detection_fate=np.where(scores >= floor, of_found, NEITHER).astype(np.int8),
            object_frame=np.repeat(np.arange(len(instances)), [len(of_frame) for of_frame in instances])[kept],
            object_box=np.array([one["bbox_3d"] for of_frame in instances for one in of_frame]).reshape(-1, 7)[kept],
            object_label=labels[kept],
            object_difficulty=np.full(int(kept.sum()), -1),
            object_fate=np.where(asked_for, of_truth, NEITHER).astype(np.int8)[:, kept],
        )

    def _seen(self, results: list[dict[str, Any]]) -> tuple[list[Any], list[ground_truth.Asked], dict[str, Any]]:
        """Entries and objects of the keyframes of results, and their detections in the form of a result file."""
        infos = load(self.ann_file, backend_args=self.backend_args)["data_list"]
        path = Path(self.ann_file)
        truth = ground_truth.read(path.parent, path.stem.removeprefix("nuscenes_infos_"))
        places = range(len(infos)) if self.frames is None else self.frames
        seen = [places[result["sample_idx"]] for result in results]
        classes = self.dataset_meta["classes"]
        both = zip(results, seen, strict=True)
        found = {infos[at]["token"]: in_the_world(result["found"], infos[at], classes) for result, at in both}
        return [infos[at] for at in seen], [truth[at] for at in seen], found
