"""Training keyframes of nuScenes that are set apart by whole scenes, and validated on instead of the validation split.

What chooses (tuning, a search) is compared there, so that the keyframes that are reported on have chosen nothing.
"""

from pathlib import Path
from typing import Any

from study.nouns.errors import InputError
from trainables.datasets import innermost, last_groups
from trainables.datasets.nuscenes import ground_truth


def keyframes_apart(root: Path, share: float) -> list[int]:
    """The places in the training split of the keyframes set apart: whole scenes from its end, at least a share.

    Raises:
        InputError: nothing would be left to train on, or the root is not prepared.
    """
    scenes = [asked.scene for asked in ground_truth.read(root, "train")]
    places = last_groups(scenes, share)
    if len(places) == len(scenes):
        count = len(set(scenes))
        raise InputError(
            f"setting {share:g} of {len(scenes)} training keyframes apart leaves none to train on, as they are of "
            f"{count} scene{'s' if count > 1 else ''}; choose on less"
        )
    return places


def set_apart(cfg: Any, root: Path, share: float) -> None:
    """Take scenes out of the training of mmdet3d's config, laid on the root, and validate on them; in place."""
    apart = keyframes_apart(root, share)
    number = len(ground_truth.read(root, "train"))
    train, val = innermost(cfg.train_dataloader.dataset), innermost(cfg.val_dataloader.dataset)
    train.indices = sorted(set(range(number)) - set(apart))
    val.indices, val.ann_file = apart, train.ann_file
    cfg.val_evaluator.ann_file, cfg.val_evaluator.frames = f"{root}/{train.ann_file}", apart
    for step in train.pipeline:
        if step["type"] == "ObjectSample":
            step["db_sampler"]["without"] = apart  # objects name their keyframe by its place
