"""What a large study costs its driver: seconds until the first runs can start, and for each record that arrives.

    python -m tests.benchmarks.bench_planner [--rows 500] [--seeds 20] [--claims] [--waves 3]

Runs are the toy study's, answered at once by a record each; no Ray. With --claims every row is claimed to gain over the
first, so that runs come in waves.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "study"))

from toy_driver import Driver
from toy_study import DEFAULTS


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--claims", action="store_true")
    parser.add_argument("--waves", type=int, default=3, help="with --claims: how many to run")
    given = parser.parse_args()
    labels = [f"N {100 + place}" for place in range(given.rows)]
    points = [{"label": label, "set": {"parameters.samples": 100 + at}} for at, label in enumerate(labels)]
    claims = [{"row": label, "over": [labels[0]]} for label in labels[1:]] if given.claims else []
    with tempfile.TemporaryDirectory() as results:
        start = perf_counter()
        driver = Driver(Path(results), points=points, seeds=list(range(given.seeds)), claims=claims, places=4)
        driver.end(driver.next())  # the teacher
        first = driver.next()
        print(f"{given.rows * given.seeds} planned runs: {perf_counter() - start:.1f} s until the first can start")
        ended, spent, waves = 0, 0.0, driver.state.waves
        while first and ended < 10_000 and (waves is None or waves.evidence.readings.wave < given.waves):
            for one in first:
                spent -= perf_counter()
                driver.end([one], value=50 - (one.config.parameters["samples"] - DEFAULTS["samples"]) ** 2 / 1e5
                           + hash(one.config.key) % 100 / 100)  # fmt: skip
                spent += perf_counter()
            ended += len(first)
            spent -= perf_counter()
            first = driver.next()
            spent += perf_counter()
        print(f"{ended} records: {1000 * spent / ended:.2f} ms each, writing it included")


if __name__ == "__main__":
    main()
