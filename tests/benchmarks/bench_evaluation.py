"""Seconds of one core for KITTI's AP of a whole validation split: `python -m tests.benchmarks.bench_evaluation`."""

import argparse
import time

import numpy as np

from tests.trainables.datasets.test_kitti_devkit import CLASSES, detected, frame
from trainables.datasets.kitti.devkit import average_precision

ALARMS = 20


def main() -> None:
    """Made-up frames of 12 objects; detections of most of them and false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=3769, help="as many as KITTI's validation split has")
    random = np.random.default_rng(0)
    truth = [frame(random, 12) for _ in range(parser.parse_args().frames)]
    found = []
    for one in truth:
        alarms = frame(random, ALARMS, dont_care=0) | {"score": random.random(ALARMS) / 2}
        alarms["name"] = np.where(np.isin(alarms["name"], CLASSES), alarms["name"], "Car")
        seen = detected(random, one, tied=False)
        found.append({name: np.concatenate([seen[name], alarms[name]]) for name in seen})
    average_precision(truth[:2], found[:2], CLASSES)  # numba's cache is read
    start = time.process_time()
    average_precision(truth, found, CLASSES)
    each = sum(len(one["name"]) for one in found) / len(found)
    print(f"{len(truth)} frames, {each:.0f} detections each: {time.process_time() - start:.2f} s of one core")


if __name__ == "__main__":
    main()
