"""A nuScenes data root for mmdet3d 1.4: preparing it, and checking it.

From the tables `prepare` makes what mmdet3d's nuScenes pipelines read (info files, the ground-truth database) and what
the evaluation asks for (`ground_truth`), without create_data.py, its dependencies, and the cameras. In a root that
create_data.py prepared only the latter is added.
"""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.nouns.errors import InputError
from trainables.datasets import Progress
from trainables.datasets.nuscenes import ground_truth
from trainables.datasets.nuscenes.keyframes import keyframe_info, metainfo
from trainables.datasets.nuscenes.prepared_files import (
    DATABASE,
    DATABASE_INFOS,
    MARKER,
    SCANS,
    SPLITS,
    check_scans,
    infos,
    infos_file,
    marker,
    prepared_version,
    scenes_of,
    tables_digest,
    version_of,
    versions,
    why_unprepared,
)
from trainables.datasets.nuscenes.token_tables import Tables
from trainables.datasets.whole_files import alone_in, write_atomically


def prepare(
    root: Path, *, version: str = "", max_sweeps: int = 10, into: Path | None = None, progress: Progress | None = None
) -> None:
    """Make the files that mmdet3d's nuScenes pipelines and the evaluation read; a finished root is left untouched.

    Interrupted, it is simply called again. Changed tables, and another version or number of sweeps, are noticed and
    prepared anew. Processes that prepare the same root wait for the first of them.

    Args:
        root: folder in nuScenes' own layout, or prepared by mmdet3d.
        version: name of the folder of the tables; empty: the only one there is.
        max_sweeps: how many scans before a keyframe training and validation can use.
        into: a second folder that gets the new files, and links to the others, where `root` cannot be written.
        progress: called with what is made, keyframes done, keyframes in all.

    Raises:
        InputError: the root or one of its files cannot be used, or the files cannot be written.
    """
    root = Path(root)
    if into is not None:
        _link(root, Path(into))
        root = Path(into)
    of_others = all(infos_file(root, split).exists() for split in SPLITS) and marker(root) is None
    wanted: dict[str, Any] = {} if of_others else {"version": version_of(root, version), "max_sweeps": max_sweeps}
    if of_others and version not in ("", prepared_version(root)):
        raise InputError(
            f"mmdet3d has prepared {root} of version {prepared_version(root)}; to prepare {version}, remove its "
            "nuscenes_* first"
        )
    if _ready(root, wanted):
        return
    with alone_in(root):
        if not _ready(root, wanted):
            steps = progress or (lambda what, done, total: None)
            _add_to(root, steps) if of_others else _prepare_all(root, wanted["version"], max_sweeps, steps)


def _ready(root: Path, wanted: Mapping[str, Any]) -> bool:
    made_of = marker(root) or {}
    return all(made_of.get(name) == value for name, value in wanted.items()) and why_unprepared(root) is None


def _prepare_all(root: Path, version: str, max_sweeps: int, progress: Progress) -> None:
    from trainables.datasets.nuscenes.swept_objects import cut_out  # loads mmdet3d

    content, scenes, tables = tables_digest(root, version), scenes_of(root, version), Tables(root / version)
    made = {split: _described(root, tables, scenes[split], split, max_sweeps, progress) for split in SPLITS}
    # Whatever is wrong with tables and scans has been said by now, before anything is written.
    made_of = {"version": version, "max_sweeps": max_sweeps}
    write_atomically(root / MARKER, json.dumps({**made_of, "digest": None}).encode())
    for split, (listed, asked) in made.items():
        ground_truth.write(root, split, asked)
        found = {"metainfo": metainfo(version), "data_list": listed}
        write_atomically(infos_file(root, split), pickle.dumps(found))
    cut_out(root, made["train"][0], progress)
    write_atomically(root / MARKER, json.dumps({**made_of, "digest": content}).encode())


def _described(
    root: Path, tables: Tables, scenes: set[str], split: str, max_sweeps: int, progress: Progress
) -> tuple[list[dict[str, Any]], list[ground_truth.Asked]]:
    """The entries of a split's keyframes, and what the evaluation asks for in them."""
    samples = [
        sample for sample in tables.samples if tables.get("scene", sample["scene_token"], "sample")["name"] in scenes
    ]
    if not samples:
        raise InputError(f"the scenes of split {split} in {tables.folder} have no keyframe")
    listed = []
    for place, sample in enumerate(samples):
        listed.append(keyframe_info(tables, sample, place, max_sweeps))
        progress(split, place + 1, len(samples))
    check_scans(root, listed, lengths=True)
    return listed, [ground_truth.of_tables(tables, sample) for sample in samples]


def _add_to(root: Path, progress: Progress) -> None:
    """What a root of mmdet3d's making lacks: the objects that the evaluation asks for, and perhaps the database."""
    from trainables.datasets.nuscenes.swept_objects import cut_out  # loads mmdet3d

    version = prepared_version(root)
    tables = Tables(root / version) if version in versions(root) else None
    samples = {sample["token"]: sample for sample in tables.samples} if tables else {}
    for split in SPLITS:
        listed = infos(root, split)["data_list"]
        unknown = [info["token"] for info in listed if tables and info["token"] not in samples]
        if unknown:
            raise InputError(
                f"{infos_file(root, split)} names the keyframe {unknown[0]!r}, which {version} does not have"
            )
        asked = []
        for done, info in enumerate(listed, 1):
            own = ground_truth.of_tables(tables, samples[info["token"]]) if tables else ground_truth.of_info(info)
            asked.append(own)
            progress(split, done, len(listed))
        ground_truth.write(root, split, asked)
    if not ((root / DATABASE_INFOS).exists() and (root / DATABASE).exists()):
        cut_out(root, infos(root, "train")["data_list"], progress)


def check(root: Path, *, deep: bool = False) -> None:
    """Is this a nuScenes root that training can start on?

    Args:
        root: the data root.
        deep: read every scan, too (else only look whether they are there).

    Raises:
        InputError: the first thing that is wrong: what was expected, what was found, where.
    """
    root = Path(root)
    if not infos_file(root, "train").exists():
        version_of(root)
    reason = why_unprepared(root)
    if reason is not None:
        raise InputError(f"{root} is not prepared: {reason}. Run `python run_study.py prepare nuscenes {root}`")
    for split in SPLITS:
        found = infos(root, split)["data_list"]
        scans = check_scans(root, found, lengths=deep)
        if deep:
            from trainables.datasets.nuscenes.scans import read_scan  # loads mmdet3d

            for path in scans:
                read_scan(path)


def _link(root: Path, into: Path) -> None:
    """Make `into` a nuScenes root whose tables and scans, or files of mmdet3d's making, are links into `root`."""
    names = [*SCANS, *versions(root)]
    if not versions(root) or (infos_file(root, "train").exists() and marker(root) is None):
        names += [*(infos_file(root, split).name for split in SPLITS), DATABASE_INFOS, DATABASE]
    for name in names:
        source, link = (root / name).resolve(), into / name
        if not source.exists() or (link.exists() and link.resolve() == source):
            continue
        if link.exists() or link.is_symlink():
            raise InputError(f"preparing {root} into {into} links {link} to {source}; something else is there already")
        try:
            into.mkdir(parents=True, exist_ok=True)
            os.symlink(source, link)
        except OSError as error:
            raise InputError(f"cannot link {link} to {source}: {error.strerror}") from error
