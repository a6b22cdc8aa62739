"""Where everything lies in a nuScenes root, which version and splits it has, and what is wrong when that is not there.

Raw: <version>/*.json (the tables), samples/LIDAR_TOP, sweeps/LIDAR_TOP; <version>/splits.json with the scenes of
`train` and `val` for versions that nuScenes' development kit does not know. Prepared: nuscenes_infos_{train,val}.pkl,
nuscenes_dbinfos_train.pkl, nuscenes_gt_database/ as mmdet3d's create_data.py makes them,
nuscenes_truth_{train,val}.pkl, and nuscenes_prepared.json, which says of which content they were made (a root from
create_data.py has none). nuscenes_digest.json keeps the digest of the content.
"""

import hashlib
import json
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from study.nouns.errors import InputError, unknown_name
from trainables.datasets.nuscenes.ground_truth import truth_file
from trainables.datasets.nuscenes.token_tables import FIELDS, scene_names
from trainables.datasets.whole_files import write_atomically

SPLITS = ("train", "val")
OFFICIAL = {"v1.0-mini": ("mini_train", "mini_val"), "v1.0-trainval": ("train", "val")}
"""nuScenes' own versions with labels, and the development kit's names of their splits."""
SCANS = ("samples", "sweeps")
OWN_SPLITS = "splits.json"
DATABASE, DATABASE_INFOS = "nuscenes_gt_database", "nuscenes_dbinfos_train.pkl"
MARKER = "nuscenes_prepared.json"
DIGEST = "nuscenes_digest.json"
SETTLED_NS = 2_000_000_000
"""A table that was written within the last two seconds may change again without a new time: nothing is kept then."""


def infos_file(root: Path, split: str) -> Path:
    """The info file of a split."""
    return root / f"nuscenes_infos_{split}.pkl"


def infos(root: Path, split: str) -> dict[str, Any]:
    """The info file of a split: `metainfo` and `data_list`.

    Raises:
        InputError: it cannot be read, or is of an mmdet3d that 1.4 cannot read.
    """
    path = infos_file(root, split)
    try:
        found = pickle.loads(path.read_bytes())
    except (OSError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"expected an info file of mmdet3d at {path}; cannot read it: {error}") from error
    if not (isinstance(found, dict) and {"metainfo", "data_list"} <= found.keys()):
        raise InputError(
            f"an info file of mmdet3d 1.1 or later holds metainfo and data_list; {path} does not. Remove the "
            f"nuscenes_infos_*.pkl of an older mmdet3d and prepare the folder again"
        )
    return found


def prepared_version(root: Path) -> str:
    """The version that a prepared root was made of."""
    made_of = marker(root)
    return made_of["version"] if made_of else _version_told(root, infos_file(root, "val").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _version_told(root: Path, _changed: int) -> str:
    return str(infos(root, "val")["metainfo"].get("version", ""))


def versions(root: Path) -> list[str]:
    """The folders of a root that hold tables which can be trained on: nuScenes' own, or with lists of scenes."""
    if not root.is_dir():
        return []
    there = (folder for folder in root.iterdir() if (folder / "sample.json").is_file())
    return sorted(f.name for f in there if f.name in OFFICIAL or (f / OWN_SPLITS).is_file())


def version_of(root: Path, asked: str = "") -> str:
    """The version to prepare.

    Raises:
        InputError: there is none, not the one that is asked for, or there are several and none is asked for.
    """
    there = versions(root)
    if asked and asked not in there:
        if (root / asked / "sample.json").is_file():
            raise InputError(
                f"version {asked} is none of {', '.join(OFFICIAL)}; its scenes for training and validation must stand "
                f'in {root / asked / OWN_SPLITS}, as {{"train": [...], "val": [...]}}'
            )
        raise unknown_name(f"version in {root}:", asked, there) if there else _no_tables(root)
    if not there:
        raise _no_tables(root)
    if not asked and len(there) > 1:
        raise InputError(f"{root} holds {', '.join(there)}; say which with --set version={there[0]}")
    return asked or there[0]


def _no_tables(root: Path) -> InputError:
    if not root.is_dir():
        return InputError(f"expected the root of nuScenes at {root}; there is no such folder")
    found = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    return InputError(
        f"expected the tables of nuScenes at {root}, in a folder like {' or '.join(OFFICIAL)} (or one with sample.json "
        f"and {OWN_SPLITS}); found {found}"
    )


def scenes_of(root: Path, version: str) -> dict[str, set[str]]:
    """The names of the scenes of each split that are in the tables.

    Raises:
        InputError: a list cannot be read, no scene of a split is there, or a scene is in both.
    """
    folder = root / version
    listed, there = _listed(folder), scene_names(folder)
    for split, names in listed.items():
        if not set(names) & set(there):
            raise InputError(
                f"no scene of split {split} is in the tables of {folder}: it names {_some(names)}; there are "
                f"{_some(there)}"
            )
    both = set(listed["train"]) & set(listed["val"])
    if both:
        raise InputError(f"a scene is for training or for validation; {folder / OWN_SPLITS} has {_some(both)} in both")
    return {split: set(names) & set(there) for split, names in listed.items()}


def _listed(folder: Path) -> dict[str, list[str]]:
    if folder.name in OFFICIAL:
        from nuscenes.utils.splits import create_splits_scenes  # loads the whole development kit

        return {split: create_splits_scenes()[name] for split, name in zip(SPLITS, OFFICIAL[folder.name], strict=True)}
    path = folder / OWN_SPLITS
    try:
        listed = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"expected lists of scenes for train and val at {path}; cannot read them: {error}") from error
    if not isinstance(listed, dict) or not all(isinstance(listed.get(split), list) for split in SPLITS):
        raise InputError(f'{path} must hold {{"train": [scene names], "val": [scene names]}}')
    return {split: listed[split] for split in SPLITS}


def _some(names: Any) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "none"


def prepared(root: Path) -> list[Path]:
    """The files of a prepared root."""
    of_splits = [file(root, split) for file in (infos_file, truth_file) for split in SPLITS]
    return [*of_splits, root / DATABASE_INFOS, root / DATABASE]


def marker(root: Path) -> dict[str, Any] | None:
    """What our own preparation says: version, max_sweeps, digest of the tables; None: it was not ours."""
    path = root / MARKER
    return json.loads(path.read_bytes()) if path.exists() else None


def why_unprepared(root: Path) -> str | None:
    """What keeps a root from being a prepared one of the content of its tables; None if nothing does.

    Raises:
        InputError: the info files are of an mmdet3d that 1.4 cannot read, or the tables are gone.
    """
    missing = [path.name for path in prepared(root) if not path.exists()]
    if missing:
        return f"{', '.join(missing)} missing"
    made_of = marker(root)
    if made_of is None:
        infos(root, "val")
        return None
    if made_of["digest"] is None:
        return "its preparation was interrupted"
    return None if made_of["digest"] == tables_digest(root, made_of["version"]) else "its tables have changed since"


def digest(root: Path) -> str:
    """The identity of a prepared root's content, wherever it lies: its tables, or the info files of others' making.

    Returns:
        12 hexadecimal characters.

    Raises:
        InputError: a file cannot be read.
    """
    made_of = marker(root)
    if made_of is None:
        return _content(root, [infos_file(root, split) for split in SPLITS])[:12]
    told = f"{tables_digest(root, made_of['version'])} {made_of['version']} {made_of['max_sweeps']}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def tables_digest(root: Path, version: str) -> str:
    """The content of a version's tables and lists of scenes."""
    folder = root / version
    files = [folder / f"{table}.json" for table in FIELDS]
    return _content(root, files if version in OFFICIAL else [*files, folder / OWN_SPLITS])


def _content(root: Path, files: Sequence[Path]) -> str:
    """A hash of files; kept beside them until the size or time of one changes, as tables hold gigabytes."""
    try:
        states = [path.stat() for path in files]
    except OSError as error:
        raise InputError(f"expected one of nuScenes' files at {error.filename}; {error.strerror}") from error
    seen = [[path.name, state.st_size, state.st_mtime_ns] for path, state in zip(files, states, strict=True)]
    with suppress(OSError, ValueError, KeyError):  # none is kept yet, or none that can be read
        kept = json.loads((root / DIGEST).read_bytes())
        if kept["seen"] == seen:
            return str(kept["digest"])
    content = hashlib.sha256()
    for path in files:
        content.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as opened:
            while block := opened.read(1 << 20):
                content.update(block)
    if time.time_ns() - max(state.st_mtime_ns for state in states) > SETTLED_NS:
        with suppress(InputError):  # a root that cannot be written is read again each time
            write_atomically(root / DIGEST, json.dumps({"digest": content.hexdigest(), "seen": seen}).encode())
    return content.hexdigest()


def check_scans(root: Path, listed: Sequence[Mapping[str, Any]], *, lengths: bool = False) -> list[Path]:
    """The scans of keyframes and of the sweeps before them.

    Args:
        root: of the data.
        listed: the entries of an info file.
        lengths: whether the sizes of the files are looked at, too.

    Raises:
        InputError: one is missing or of a wrong length.
    """
    from trainables.datasets.nuscenes.scans import check_length, scans_of  # loads mmdet3d

    wanted = list(dict.fromkeys(path for info in listed for path in scans_of(root, info)))
    there: dict[Path, set[str]] = {}
    for folder in {path.parent for path in wanted}:
        there[folder] = set(os.listdir(folder)) if folder.is_dir() else set()
    missing = [path for path in wanted if path.name not in there[path.parent]]
    if missing:
        raise InputError(
            f"the keyframes of {root} and the sweeps before them are {len(wanted)} scans; {len(missing)} of them are "
            f"missing, the first is {missing[0]}"
        )
    if lengths:
        for path in wanted:
            check_length(path, path.stat().st_size)
    return wanted
