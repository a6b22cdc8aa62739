"""The epochs of many records as columns, taken out of each record as it is read: whole, they fill gigabytes."""

import math
from array import array
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from study.nouns.records import EpochRecord, RunRecord


class EpochColumns:
    """Gathers epochs, record by record; of two records of one key the later one counts."""

    def __init__(self, records: Iterable[RunRecord] = ()) -> None:
        self._keys: list[str] = []
        self._columns: dict[str, array[float]] = {"epoch": array("d"), "seconds": array("d")}
        self._spans: dict[str, tuple[int, int]] = {}
        for record in records:
            self.add(record)

    def add(self, record: RunRecord) -> None:
        """Take the epochs of a record."""
        start, length = len(self._keys), len(record.epochs)
        self._keys += [record.key] * length
        self._spans[record.key] = (start, start + length)
        unknown = array("d", [math.nan]) * length
        for column in self._columns.values():
            column.extend(unknown)
        for place, epoch in enumerate(record.epochs, start):
            for name, value in _values(epoch):
                if name not in self._columns:
                    self._columns[name] = array("d", [math.nan]) * len(self._keys)
                self._columns[name][place] = value

    def done(self, key: str) -> int:
        """How many epochs a run has."""
        start, stop = self._spans.get(key, (0, 0))
        return stop - start

    def table(self) -> pd.DataFrame:
        """One row per run and epoch: losses (epoch means), metrics where it was validated (else NaN), seconds.

        Runs are in the order of their keys. `step_seconds` and `shared_seconds` are there where any record holds them.
        """
        spans = [range(*self._spans[key]) for key in sorted(self._spans)]
        rows = np.fromiter((row for span in spans for row in span), dtype=np.intp)
        keys = pd.Series([self._keys[row] for row in rows], dtype=object)  # pandas looks up its own strings slowly
        columns = {name: np.frombuffer(column)[rows] for name, column in self._columns.items()}
        return pd.DataFrame({"key": keys} | columns).astype({"epoch": int})


def _values(epoch: EpochRecord) -> Iterator[tuple[str, float]]:
    yield "epoch", epoch.epoch
    yield "seconds", epoch.seconds
    for name, value in epoch.losses.items():
        yield f"losses.{name}", value
    for name, value in epoch.metrics.items():
        yield f"metrics.{name}", value
    for name in ("step_seconds", "shared_seconds"):
        if (value := getattr(epoch, name)) is not None:
            yield name, value
