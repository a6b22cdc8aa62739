"""Training frames that are set apart: never trained on, and validated on in the place of the validation split.

What chooses (tuning, a search) is compared there, so that the frames that are reported on have chosen nothing. KITTI's
frames are cut out of drives and mixed, so neighbors in time stand anywhere in the list. Where the development kit's
`mapping/` (train_rand.txt, train_mapping.txt) lies in the root, whole drives are set apart; else single frames.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from study.nouns.errors import InputError
from trainables.datasets import innermost, last_groups
from trainables.datasets.kitti.layout import MARKER, read_split, split_list
from trainables.datasets.kitti.raw_files import read_bytes

RAND, DRIVES = "mapping/train_rand.txt", "mapping/train_mapping.txt"


def frames_apart(root: Path, share: float) -> list[int]:
    """The places in the training list of the frames that are set apart: whole drives from its end, at least a share.

    Raises:
        InputError: nothing would be left to train on, or the mapping is not the development kit's.
    """
    drives = drives_of(root, read_split(split_list(root, "train")))
    places = last_groups(drives, share)
    if len(places) == len(drives):
        raise InputError(
            f"setting {share:g} of {len(drives)} training frames apart leaves none to train on, as they are of "
            f"{len(set(drives))} drives; choose on less"
        )
    return places


def drives_of(root: Path, frames: Sequence[str]) -> list[str]:
    """The drive of each frame; its own name where the root does not say."""
    if not all((root / name).is_file() for name in (RAND, DRIVES)):
        return list(frames)
    lines = _text(root / DRIVES).splitlines()
    try:
        places = [int(number) - 1 for number in _text(root / RAND).split(",")]
        return [lines[places[int(frame)]].split()[1] for frame in frames]
    except (ValueError, IndexError):
        raise InputError(
            f"{root / RAND} and {root / DRIVES} must be the development kit's: a permutation of line numbers with "
            "commas, and date, drive and frame in each line"
        ) from None


def set_apart(cfg: Any, root: Path, share: float) -> None:
    """Take frames out of the training of mmdet3d's config, laid on the root, and validate on them; in place."""
    apart = frames_apart(root, share)
    names = read_split(split_list(root, "train"))
    train, val = innermost(cfg.train_dataloader.dataset), innermost(cfg.val_dataloader.dataset)
    out = set(apart)
    train.indices = [place for place in range(len(names)) if place not in out]
    val.indices, val.ann_file, val.data_prefix = apart, train.ann_file, train.data_prefix
    cfg.val_evaluator.ann_file, cfg.val_evaluator.frames = f"{root}/{train.ann_file}", apart
    # Objects name their frame by its number; those of mmdet3d's own create_data.py by its place in the list.
    ours = (root / MARKER).exists()
    for step in train.pipeline:
        if step["type"] == "ObjectSample":
            step["db_sampler"]["without"] = [int(names[place]) if ours else place for place in apart]


def _text(path: Path) -> str:
    return read_bytes(path, "a mapping of frames to drives").decode(errors="replace").strip()
