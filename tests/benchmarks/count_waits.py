"""How often the host waits for the device in a step of each method, counted on the fake accelerator.

    python -m tests.benchmarks.count_waits [--detector pointpillars] [--method NAME ...] [--scans 2 6]

Of small detectors on random scans: inside the method, by name, and in the whole step with both networks and losses.
"""

import argparse
import logging

from tests.contracts.test_distillers_contract import METHODS, build
from tests.trainables.small_detectors import scans
from tests.trainables.waiting import step
from trainables import detectors


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", default="pointpillars", choices=detectors.names())
    parser.add_argument("--method", action="append", choices=METHODS, help="only this one; may be repeated")
    parser.add_argument("--scans", type=int, nargs="+", default=[2, 6])
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"{'method':24}{'scans':>6}{'in the method':>15}{'in the step':>13}  by name")
    for method in arguments.method or METHODS:
        for number in arguments.scans:
            own, whole = step(build(method, arguments.detector), scans(arguments.detector, [900] * number))
            names = ", ".join(f"{name} {count}" for name, count in sorted(own.items()))
            print(f"{method:24}{number:6}{own.total():15}{whole:13}  {names}", flush=True)


if __name__ == "__main__":
    main()
