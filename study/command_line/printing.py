"""Lines that commands print."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from study.nouns.inspections import NEITHER, WRONG, Inspected
from study.nouns.records import EpochRecord, RunRecord


def progress() -> Callable[[str, int, int], None]:
    """One line on standard error per step of making data, rewritten as it goes on a terminal."""
    live = sys.stderr.isatty()

    def say(what: str, done: int, total: int) -> None:
        if live or done == total:
            end = "\n" if done == total else ""
            print(f"{chr(13) if live else ''}{what}: {done} of {total} frames", end=end, file=sys.stderr, flush=True)

    return say


def epoch(record: EpochRecord, headlines: Collection[str]) -> str:
    """Losses of an epoch, and of its metrics the headlines, by name."""
    values = {**record.losses, **{name: value for name, value in record.metrics.items() if name in headlines}}
    return f"  epoch {record.epoch}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def inspected(record: RunRecord, found: Inspected) -> str:
    """What an inspection has found, in a line."""
    facts, arrays = found.facts, found.arrays
    frames, fates = len(facts.frames), arrays["detection_fate"][0]
    asked = int((arrays["object_fate"][0] != NEITHER).sum())
    wrong = int((fates == WRONG).sum())
    return (
        f"{record.label} {record.key}: {len(fates)} detections of {asked} objects in {frames} frames, {wrong} of them "
        f"false positives; drawn: frame {facts.scene}"
    )


def offers(content: Mapping[str, list[dict[str, Any]]]) -> None:
    """Everything that can be named, each kind under its heading."""
    for kind, entries in content.items():
        print(f"{kind}:")
        for entry in entries:
            print(f"  {entry['name']:24} {entry['description']}")
            if entry.get("reads"):
                low, high = entry["weight_range"]
                print(f"    reads {', '.join(entry['reads'])}; its weight is compared from {low:g} to {high:g}")
            for parameter in entry.get("parameters", []):
                default = f"{json.dumps(parameter['default'])} [{parameter['range']}]".removesuffix(" []")
                print(f"    {parameter['name']:22} {default}: {parameter['description']}")
