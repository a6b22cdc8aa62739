"""Where everything lies in a KITTI data root, and what is wrong when it does not.

Raw: training/{velodyne,label_2,calib}, ImageSets/{train,val}.txt, image_sizes.json or training/image_2, and
training/planes (road planes) where ground-truth sampling is to set objects on the road.
Prepared: kitti_infos_{train,val}.pkl, kitti_dbinfos_train.pkl, kitti_gt_database/, training/velodyne_reduced/, and
kitti_prepared.json, which says of which content they were made (a root from mmdet3d's create_data.py has none).
kitti_digest.json keeps the digest of the content, so that labels are read once.
"""

import hashlib
import json
import os
import pickle
import time
from contextlib import suppress
from pathlib import Path

from study.nouns.errors import InputError
from trainables.datasets.kitti.object_database import DATABASE, DATABASE_INFOS
from trainables.datasets.kitti.raw_files import read_bytes
from trainables.datasets.whole_files import write_atomically

SPLITS = ("train", "val")
RAW_FOLDERS = {"velodyne": ".bin", "label_2": ".txt", "calib": ".txt"}
OPTIONAL_FOLDERS = ("image_2", "planes")
REDUCED = "velodyne_reduced"
PREPARED = ("kitti_infos_train.pkl", "kitti_infos_val.pkl", DATABASE_INFOS)
MARKER = "kitti_prepared.json"
DIGEST = "kitti_digest.json"
SETTLED_NS = 2_000_000_000
"""A label that was written within the last two seconds may change again without a new time: nothing is kept then."""


def split_list(root: Path, split: str) -> Path:
    """The file that lists the frames of a split."""
    return root / "ImageSets" / f"{split}.txt"


def read_split(path: Path) -> list[str]:
    """The six-digit frame names of a split list, in its order.

    Raises:
        InputError: the list is missing or empty, or a line is no frame number.
    """
    frames = []
    for number, line in enumerate(read_bytes(path, "a split list").decode(errors="replace").splitlines(), 1):
        name = line.strip()
        if name and not (name.isascii() and name.isdigit()):
            raise InputError(
                f"a split list has one frame number a line, like 000123; found {name!r} in {path}, line {number}."
            )
        if name:
            frames.append(f"{int(name):06d}")
    if not frames:
        raise InputError(f"a split list needs at least one frame; {path} has none.")
    return frames


def all_frames(root: Path) -> list[str]:
    """The frames of both splits."""
    return [frame for split in SPLITS for frame in read_split(split_list(root, split))]


def digest(root: Path) -> str:
    """The identity of the data set: its split lists and label files, wherever the root lies.

    The labels are read once per root: the digest is kept in kitti_digest.json until a split list, or the size or time
    of a label, changes.

    Returns:
        12 hexadecimal characters.

    Raises:
        InputError: a split list or a label file cannot be read.
    """
    root = Path(root)
    frames = [(split, frame) for split in SPLITS for frame in read_split(split_list(root, split))]
    seen, newest = _as_seen(root, frames)
    with suppress(OSError, ValueError, KeyError):  # none is kept yet, or none that can be read
        kept = json.loads((root / DIGEST).read_text())
        if kept["seen"] == seen:
            return str(kept["digest"])
    content = hashlib.sha256()
    for split, frame in frames:
        label = root / "training" / "label_2" / f"{frame}.txt"
        content.update(f"{split} {frame}\n".encode() + read_bytes(label, "a label file"))
    found = content.hexdigest()[:12]
    if time.time_ns() - newest > SETTLED_NS:
        with suppress(InputError):  # a root that cannot be written is read again each time
            write_atomically(root / DIGEST, json.dumps({"digest": found, "seen": seen}).encode())
    return found


def _as_seen(root: Path, frames: list[tuple[str, str]]) -> tuple[str, int]:
    """A hash of the frames with size and time of each label, none of which is opened; and the newest time, ns."""
    folder = root / "training" / "label_2"
    states = {}
    if folder.is_dir():
        with os.scandir(folder) as entries:
            states = {entry.name: entry.stat() for entry in entries}
    listing, newest = hashlib.sha256(), 0
    for split, frame in frames:
        state = states.get(f"{frame}.txt")
        size, changed = (state.st_size, state.st_mtime_ns) if state else (-1, 0)
        listing.update(f"{split} {frame} {size} {changed}\n".encode())
        newest = max(newest, changed)
    return listing.hexdigest(), newest


def check_raw(root: Path) -> None:
    """Raise InputError unless the raw files of every listed frame are there."""
    if not root.is_dir():
        raise InputError(f"expected a KITTI data root at {root}; there is no such folder.")
    found = sorted(path.name for path in root.iterdir())
    if not found:
        raise InputError(f"expected a KITTI data root at {root}; the folder is empty.")
    missing = [f"training/{name}" for name in RAW_FOLDERS if not (root / "training" / name).is_dir()]
    if missing:
        raise InputError(
            f"{root} is not in KITTI's layout: expected {', '.join(missing)}; found {', '.join(found[:8])}."
        )
    for split in SPLITS:
        if not split_list(root, split).is_file():
            raise InputError(
                f"expected a split list (one frame number a line) at {split_list(root, split)}; there is none. "
                f"KITTI does not come with them: put train.txt (usually 3,712 frames) and val.txt (3,769) there."
            )
    for folder in RAW_FOLDERS:
        check_frames(root, folder)


def check_frames(root: Path, folder: str) -> None:
    """Raise InputError unless every listed frame has its file in training/`folder`."""
    directory, suffix, frames = root / "training" / folder, RAW_FOLDERS.get(folder, ".bin"), all_frames(root)
    present = set(os.listdir(directory)) if directory.is_dir() else set()
    missing = [frame for frame in frames if frame + suffix not in present]
    if missing:
        raise InputError(
            f"the split lists name {len(frames)} frames; {len(missing)} of them have no file in {directory}, "
            f"the first is {missing[0]}{suffix}."
        )


def why_unprepared(root: Path) -> str | None:
    """What keeps a raw root from being a prepared one of the same content; None if nothing does.

    Raises:
        InputError: the info files are of an mmdet3d that 1.4 cannot read.
    """
    missing = [name for name in (*PREPARED, DATABASE, f"training/{REDUCED}") if not (root / name).exists()]
    if missing:
        return f"{', '.join(missing)} missing"
    unreduced = sorted({f"{frame}.bin" for frame in all_frames(root)} - set(os.listdir(root / "training" / REDUCED)))
    if unreduced:
        return f"{len(unreduced)} frames have no file in training/{REDUCED}, the first is {unreduced[0]}"
    if (root / MARKER).exists():
        made_of = json.loads((root / MARKER).read_text())["digest"]
        if made_of is None:
            return "its preparation was interrupted"
        return None if made_of == digest(root) else "its labels or split lists have changed since"
    _check_format(root / "kitti_infos_val.pkl")
    return None


def _check_format(path: Path) -> None:
    infos = pickle.loads(path.read_bytes())
    if not (isinstance(infos, dict) and {"metainfo", "data_list"} <= infos.keys()):
        raise InputError(
            f"an info file of mmdet3d 1.1 or later holds metainfo and data_list; {path} does not. Remove the "
            f"kitti_infos_*.pkl of an older mmdet3d and prepare the folder again."
        )


def link_raw(root: Path, into: Path) -> None:
    """Make `into` a KITTI root whose raw files are links into `root`.

    Raises:
        InputError: something else is there already, or the links cannot be made.
    """
    for name in (
        "ImageSets",
        "image_sizes.json",
        *(f"training/{folder}" for folder in (*RAW_FOLDERS, *OPTIONAL_FOLDERS)),
    ):
        source, link = (root / name).resolve(), into / name
        if not source.exists() or (link.exists() and link.resolve() == source):
            continue
        if link.exists() or link.is_symlink():
            raise InputError(f"preparing {root} into {into} links {link} to {source}; something else is there already.")
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
        except OSError as error:
            raise InputError(f"cannot link {link} to {source}: {error.strerror}.") from error
