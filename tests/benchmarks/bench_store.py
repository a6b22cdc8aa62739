"""Seconds until a study with thousands of records is planned: from its folder, and from an object store elsewhere.

    python -m tests.benchmarks.bench_store [--records 10000] [--url s3://bucket/prefix]

Records are the toy study's with 40 epochs each. Without --url the store is moto's server, a Python process on loopback,
which takes most of the time; with it a real one, found by the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL...).
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).parents[1] / "study"))

from s3_server import environment_of, new_bucket
from toy_driver import Driver
from toy_study import DECLARED, METRIC, curve_to

from study.nouns.object_store import Store
from study.nouns.records import RunRecord, StudyFiles
from study.planning.mirror import Mirror

SEEDS = 20


def study(results: Path, records: int) -> Driver:
    """The toy study with so many runs, as far as it is there."""
    points = [{"label": f"N {100 + at}", "set": {"parameters.samples": 100 + at}} for at in range(records // SEEDS)]
    return Driver(results, points=points, seeds=list(range(SEEDS)), places=4)


def record_all(driver: Driver) -> int:
    """Leave a record and a detector of every run."""
    runs = driver.files.read_plan().runs
    for run in runs:
        config, epochs = run.config, curve_to(50, 40)
        record = RunRecord(
            key=config.key, study="toy", label=run.label, role=run.role, config=config, status="finished",
            metrics={METRIC: 50.0}, declared=DECLARED, epochs=epochs,
        )  # fmt: skip
        driver.files.run(config.key).mkdir(parents=True)
        driver.files.checkpoint(config.key).write_bytes(b"x")
        path = driver.files.record_json(config.key)
        path.write_text(record.model_dump_json())  # many at once need not be synced to disk one by one
    return len(runs)


@contextmanager
def own_server() -> Iterator[str]:
    """A bucket of moto's server, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.environ.update(environment_of("127.0.0.1", port))
        try:
            for _ in range(300):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            yield new_bucket(os.environ)
        finally:
            process.kill()


def planned(results: Path, records: int) -> float:
    """Seconds of one core until it is known what is left to run."""
    start = process_time()
    left = study(results, records).next()
    assert not left, "everything has a record"
    return process_time() - start


def mirrored(results: Path, other: Path, records: int, url: str) -> None:
    """Print what it takes to put a study into a store, and to fetch and plan it elsewhere."""
    mirror = Mirror(StudyFiles(results, "toy"), Store(url))
    assert mirror.lease.take()
    start = perf_counter()
    count = mirror.push()
    print(f"{count} files put into the store: {perf_counter() - start:.1f} s")
    start = perf_counter()
    mirror.push()
    print(f"looking for what is new, and there is nothing: {perf_counter() - start:.1f} s")
    mirror.lease.release()
    there = Mirror(StudyFiles(other, "toy"), Store(url))
    assert there.lease.take()
    start = perf_counter()
    names = len(there.store.seen())
    print(f"{names} names listed: {perf_counter() - start:.1f} s")
    start = perf_counter()
    count = there.pull()
    took = perf_counter() - start
    print(f"{count} files fetched on a new machine: {took:.1f} s")
    print(f"planned there in {planned(other, records):.1f} s of one core")
    there.lease.release()


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--url", help="of a real store")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results, other = Path(place) / "results", Path(place) / "other"
        count = record_all(study(results, given.records))
        print(f"{count} records in a folder: planned in {planned(results, given.records):.1f} s of one core")
        if given.url:
            mirrored(results, other, given.records, given.url)
            return
        with own_server() as url:
            mirrored(results, other, given.records, url)


if __name__ == "__main__":
    main()
