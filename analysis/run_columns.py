"""The columns of a run, named by their path in the record."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from study.nouns.config import TrainingConfig, TrialConfig
from study.nouns.overrides import value_at
from study.nouns.records import RunRecord

COST = ("epochs_done", "seconds", "peak_memory_mb", "host", "device", "started", "commit")


def run_row(
    record: RunRecord, searched: Iterable[str], asked: TrainingConfig | None, epochs_done: int
) -> dict[str, Any]:
    """Everything of a record but its epochs and declarations.

    Args:
        record: of a run.
        searched: dotted keys that a search varied; those that no other column holds get one.
        asked: as for `config_columns`.
        epochs_done: how many it has, as they may have been taken out of it.
    """
    row: dict[str, Any] = {"study": record.study, "key": record.key, "label": record.label or record.config.method}
    row |= {"role": record.role} | config_columns(record.config, asked, record.teacher_key)
    content = record.config.model_dump(mode="json")
    row |= {key: _cell(value_at(content, key)) for key in searched if key not in row}
    for name in ("status", "error", *COST[1:]):
        row[name] = getattr(record, name)
    row["epochs_done"] = epochs_done
    for group in ("metrics", "facts", "versions"):
        row |= {f"{group}.{name}": value for name, value in getattr(record, group).items()}
    return row


def config_columns(
    config: TrialConfig, asked: TrainingConfig | None = None, teacher_key: str | None = None
) -> dict[str, Any]:
    """What a run is, and which other runs it may be compared with (`analysis/results.py` names the columns).

    Args:
        config: of the run.
        asked: where its learning rate was tuned, its training before that: it stays in the setting of its methods.
        teacher_key: where it is known; to make one takes as long as all other columns.
    """
    identity = config.identity()
    detector = {name: value for name, value in identity["detector"].items() if name != "compression"}
    whole = [identity["detector"], identity["dataset"], identity.get("training")]
    setting = whole if asked is None else [*whole[:2], _untuned(config, asked).identity()["training"]]
    shape = config.detector
    teaches = config.method == "teacher"  # every teacher is its own variant: its students share its luck
    variant = [whole, config.method, config.parameters, identity.get("teacher"), config.key if teaches else None]
    columns = {
        "method": config.method,
        "seed": config.seed,
        "detector": shape.name,
        "compression": 1.0 if teaches else shape.compression,
        "full_size": shape.width == 1 and (shape.pillar, shape.points, shape.range) == (None, None, None),
        "dataset": config.dataset.name,
        "devices": config.training.devices,
        "learning_rate": config.training.learning_rate,
        "teacher_key": teacher_key or (config.teacher_run().key if config.distills else None),
        "family": digest([detector, identity["dataset"]]),
        "setting": digest(setting),
        "variant": digest(variant),
    }
    for name, value in config.parameters.items():
        columns[f"parameters.{name}"] = _cell(value)
    return columns


def _untuned(config: TrialConfig, asked: TrainingConfig) -> TrialConfig:
    rate = asked.model_dump(include={"learning_rate", "scale_learning_rate"})
    return config.model_copy(update={"training": config.training.model_copy(update=rate)})


def _cell(value: Any) -> Any:
    """A value of a run as a table can hold it."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def digest(content: Any) -> str:
    """12 hexadecimal characters of the content's SHA-256."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
