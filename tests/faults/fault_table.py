"""What faults cost a study: each is injected at random moments, and its runs are counted and compared afterwards.

    python -m tests.faults.fault_table [--fault "node lost" ...] [--times 10] [--seed 0] [--keep DIR]

Of each fault a line: how often it was injected, runs that were lost (that have no result however often the study was
resumed), finished runs that were trained again, runs whose record or weights differ from the undisturbed study's in
anything but time and machine, drivers that it took on average, and the seconds from the end of the fault to the end of
the next epoch. Exit status 1 where something was lost, repeated or differs.

A disk that is full or gone needs the right to mount (root); without it these two are left out, in words.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1] / "study"))
sys.path.insert(0, str(Path(__file__).parent))

from injections import FAULTS, Fault, Scene
from killed_drivers import MARK, until_gone
from several_nodes import TOKEN, Nodes, several_nodes
from watched import Watched, outcome

from study.nouns.records import StudyFiles

HERE = Path(__file__).parent
FAST = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "5",
        "RAY_health_check_timeout_ms": "1000"}  # fmt: skip
"""A frozen node is given up after seconds instead of half a minute."""
DISK = "size=8m"
LAUNCHES = 6
PATIENCE_S = 400.0


class Reference(NamedTuple):
    """The undisturbed study."""

    steps: int
    outcome: dict[str, Any]


class Injected(NamedTuple):
    """What one fault did to one study."""

    lost: int
    repeated: int
    differs: int
    """Runs whose record or weights are others."""
    launches: int
    recovered_s: float | None
    said: str


def start(fault: Fault, results: Path, address: str, orders: Path, *options: str) -> subprocess.Popen[str]:
    """A driver in a process group of its own; all its processes carry the results' path in their environment."""
    script = HERE / ("real_study.py" if fault.real else "small_study.py")
    environment = {**os.environ, **TOKEN, MARK: str(results), "FAULTS": str(orders), "PYTHONPATH": str(HERE.parents[1])}
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # in a shell's background it is ignored, and handed on
    log = (orders / "driver.log").open("a")
    try:
        return subprocess.Popen(
            [sys.executable, str(script), str(results), address, *options],
            env=environment, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def disk(results: Path) -> Iterator[None]:
    """A small disk of its own below a path."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "none", str(results)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(results)], check=True)


def undisturbed(fault: Fault, folder: Path) -> Reference:
    """The study without the fault."""
    results = folder / "results"
    results.mkdir(parents=True)
    with Watched(results) as watch:
        driver = start(fault, results, "local", folder)
        assert driver.wait(timeout=PATIENCE_S * 2) == 0, (folder / "driver.log").read_text()
    return Reference(len(watch.steps), outcome(StudyFiles(results, "small")))


def inject(fault: Fault, folder: Path, chance: random.Random, reference: Reference) -> Injected:
    """Do a fault once to a study of its own, at a random moment, and resume the study until it is done."""
    results = folder / "results"
    results.mkdir(parents=True)
    with ExitStack() as held:
        if fault.mounts:
            held.enter_context(disk(results))
        nodes = Nodes("local", [])
        if fault.nodes:
            environment = {**FAST, MARK: str(results), "FAULTS": str(folder)}
            nodes = held.enter_context(several_nodes(fault.nodes, environment=environment))
        watch = held.enter_context(Watched(results))

        def launch(*options: str) -> subprocess.Popen[str]:
            return start(fault, results, nodes.address, folder, *options)

        scene = Scene(results, launch(), watch, chance, launch, nodes.raylets, folder)
        at = 1 + chance.random() * 0.8 * (reference.steps - 1)
        assert watch.wait_for(at, PATIENCE_S), (folder / "driver.log").read_text()
        time.sleep(chance.uniform(0, 0.15))
        fault.strike(scene)
        watch.look()
        over, again, launches = time.monotonic(), 0.0, 1
        files = StudyFiles(results, "small")
        while _wait(scene.driver, folder) is None or len(outcome(files)) < len(reference.outcome):
            if launches == LAUNCHES:
                break
            again, launches = time.monotonic(), launches + 1
            scene.driver = launch("--resume")
        for other in scene.others:
            _wait(other, folder)
        found = outcome(files)
        recovered = watch.first_after(max(over, again))
    until_gone(str(results), seconds=20)
    return Injected(
        lost=len(reference.outcome.keys() - found.keys()),
        repeated=len(watch.repeated - scene.damaged),
        differs=sum(found[key] != reference.outcome.get(key) for key in found),
        launches=launches,
        recovered_s=None if recovered is None else recovered - over,
        said=(folder / "driver.log").read_text(),
    )


def _wait(driver: subprocess.Popen[str], folder: Path) -> int | None:
    """Its exit status; None where it hung and was killed."""
    try:
        return driver.wait(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        with (folder / "driver.log").open("a") as log:
            log.write("HANGS: killed\n")
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        return None


def may_mount() -> bool:
    """Whether this process may have mounts of its own."""
    return shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True, check=False
    ).returncode == 0  # fmt: skip


def table(names: Sequence[str], times: int, seed: int, folder: Path) -> bool:
    """Print a line of each fault; returns whether nothing was lost, repeated or changed."""
    columns = ("injected", "lost", "repeated", "differs", "launches", "median s", "worst s")
    print(f"{'fault':24}" + "".join(f"{column:>10}" for column in columns), flush=True)
    references, sound = dict[bool, Reference](), True
    for name in names:
        fault = FAULTS[name]
        if fault.real not in references:
            references[fault.real] = undisturbed(fault, folder / f"undisturbed-{fault.real}")
        done = []
        for number in range(times):
            place = folder / f"{name.replace(' ', '-')}-{number}"
            done.append(inject(fault, place, random.Random(f"{seed} {name} {number}"), references[fault.real]))
            if any(done[-1][:3]):
                print(f"{name} {number}: {done[-1][:5]}\n{done[-1].said[-2000:]}", file=sys.stderr, flush=True)
        seconds = [one.recovered_s for one in done if one.recovered_s is not None]
        lost, repeated, differs = (sum(column) for column in list(zip(*done, strict=True))[:3])
        sound = sound and not (lost or repeated or differs)
        print(
            f"{name:24}{len(done):10}{lost:10}{repeated:10}{differs:10}{mean(one.launches for one in done):10.1f}"
            + (f"{median(seconds):10.1f}{max(seconds):10.1f}" if seconds else f"{'-':>10}{'-':>10}"),
            flush=True,
        )
    return sound


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="only this; may be repeated")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the studies' folders there")
    given = parser.parse_args()
    names = given.fault or list(FAULTS)
    if any(FAULTS[name].mounts for name in names) and "OWN_MOUNTS" not in os.environ:
        if may_mount():
            command = ["unshare", "--mount", sys.executable, __file__, *sys.argv[1:]]
            os.execvpe(command[0], command, {**os.environ, "OWN_MOUNTS": "1"})
        left_out = [name for name in names if FAULTS[name].mounts]
        print(f"without the right to mount (root) these are left out: {', '.join(left_out)}", flush=True)
        names = [name for name in names if name not in left_out]
    with tempfile.TemporaryDirectory() as passing:
        sys.exit(0 if table(names, given.times, given.seed, given.keep or Path(passing)) else 1)


if __name__ == "__main__":
    main()
