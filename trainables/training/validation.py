"""The validation split of a data set: loaded once for all detectors that are validated on it at a time."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope

from study.nouns.config import TrialConfig
from trainables import datasets, detectors
from trainables.features import Batch
from trainables.training.epochs import Spent
from trainables.training.machine import device, wait
from trainables.training.stream import Stream

SEED = 0
"""Of every run's validation: all runs are validated on the same points, where a pipeline draws some of them."""

Predict = Callable[[Batch], list[Any]]
"""A detector's predictions of a batch, which stays as it is."""


class Validation:
    """What runs of one data set and one placement of their detector are validated on."""

    def __init__(self, config: TrialConfig, cfg: Any) -> None:
        """Build the stream of the split.

        Args:
            config: of one of the runs.
            cfg: mmdet3d's, laid on the data (`building.lay_data`).
        """
        spec, data_set = detectors.load(config.detector.name), datasets.load(config.dataset.name)
        cfg.val_dataloader.batch_size = spec.predicts_at_once
        init_default_scope("mmdet3d")
        workers = config.training.workers
        self.stream = Stream(cfg.val_dataloader, cfg.model.data_preprocessor, SEED, workers=workers)
        self.read = data_set.evaluator.read
        self.evaluator = cfg.val_evaluator

    def metrics(
        self,
        predictors: Mapping[str, Predict],
        spent: Mapping[str, Spent],
        fails: Callable[[str, Exception], None],
        between: Callable[[], None] = lambda: None,
    ) -> dict[str, dict[str, float]]:
        """Validate several detectors, by name, on the same batches.

        Args:
            predictors: the detectors.
            spent: where the seconds of each are added up.
            fails: called with the name and the error of a detector whose validation fails; the others go on.
            between: called after every batch.

        Returns:
            For each that did not fail, the metrics of the data set's evaluator.
        """
        found = {name: self.new_evaluator() for name in predictors}
        metrics: dict[str, dict[str, float]] = {}

        @contextmanager
        def alone(name: str) -> Iterator[None]:
            start = time.perf_counter()
            try:
                yield
                wait()
                spent[name].add(time.perf_counter() - start)
            except Exception as error:
                found.pop(name)
                fails(name, error)

        start = time.perf_counter()
        for batch in self.stream.epoch(0, device()):
            for name in found:
                spent[name].add(time.perf_counter() - start, len(found))
            for name in list(found):
                with alone(name):
                    found[name].process(data_samples=predictors[name](batch))
            between()
            start = time.perf_counter()
        for name in list(found):
            with alone(name):
                metrics[name] = self.read(found[name].evaluate(len(self.stream.samples)))
        return metrics

    def new_evaluator(self) -> Evaluator:
        """The data set's, before it has seen anything."""
        evaluator = Evaluator(copy.deepcopy(self.evaluator))
        evaluator.dataset_meta = self.stream.samples.metainfo
        return evaluator
