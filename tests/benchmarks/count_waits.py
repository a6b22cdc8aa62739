"""How often the host waits for the device in a step of each method, and how many bytes pass, on the fake accelerator.

    python -m tests.benchmarks.count_waits [--detector pointpillars] [--method NAME ...] [--scans 2 6]

Of small detectors on random scans. Inside the method, by name; in the whole step, by the part that asks. Where nothing
stands but mmdet3d's own code asks: `targets` (its assigners ask per scan, class and object what they found), `loss`
(how many anchors are positive), `networks` (how many scans there are), and of two-stage detectors `proposals` and
`second stage`. A cohort pays for targets once per batch, and anchors are made once per process, before these steps.
"""

import argparse
import copy
import logging

from tests.contracts.test_distillers_contract import METHODS, build, networks
from tests.trainables.small_detectors import scans
from tests.trainables.waiting import step
from trainables import detectors
from trainables.training.student_model import StudentModel


def model(method: str, family: str) -> StudentModel:
    """A student under a method, or alone."""
    if method == "student":
        return StudentModel(copy.deepcopy(networks(family, False)[0]), detectors.load(family))
    return build(method, family)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="pointpillars", choices=detectors.names())
    parser.add_argument("--method", action="append", choices=["student", *METHODS], help="only this; may be repeated")
    parser.add_argument("--scans", type=int, nargs="+", default=[2, 6])
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    family = arguments.detector
    step(model("student", family), scans(family, [900]))  # makes the anchors
    print(f"{'method':24}{'scans':>6}{'in the method':>15}{'in the step':>13}{'MiB':>8}  by name; by part")
    for method in arguments.method or ["student", *METHODS]:
        for number in arguments.scans:
            found = step(model(method, family), scans(family, [900] * number))
            names, parts = (
                ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
                for counts in (found.own, found.parts)
            )
            print(
                f"{method:24}{number:6}{found.own.total():15}{found.parts.total():13}{found.moved / 2**20:8.1f}  "
                f"{names or '-'}; {parts}",
                flush=True,
            )


if __name__ == "__main__":
    main()
