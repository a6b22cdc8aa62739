"""Small detectors, built and read, that contracts share."""

import copy

from study.nouns.config import TrialConfig
from tests.trainables.small_detectors import scans, small, with_few_boxes
from trainables import detectors
from trainables.features import Batch, Features, Map
from trainables.training.building import build_detector
from trainables.training.reader import Reader


def build(family: str, compression: float = 4.0):
    """A small student of a family."""
    return with_few_boxes(build_detector(TrialConfig(detector=small(family, compression)), teacher=False)).eval()


def batch_of(network, family: str, sizes=(900, 700)) -> Batch:
    batch = network.data_preprocessor(copy.deepcopy(scans(family, list(sizes))), True)
    return Batch(batch["inputs"], batch["data_samples"])


def read(network, family: str, batch: Batch) -> Features:
    spec = detectors.load(family)
    return Reader(network, spec, spec.readings).features(batch)


def maps(features: Features) -> list[Map]:
    return [*features.stages, *features.before_relu, features.neck]
