"""The smallest study of the real trainables, through the real command line: a teacher, a student, a distilled student.

As a script: `python real_study.py RESULTS ADDRESS [--resume]`. Files in the folder that FAULTS in the environment
names tell the process that trains what to do: `nan` puts a NaN into a network's weights, as a broken memory would;
`memory` takes, for as long as it is there, all of the little memory that the process is still allowed.
"""

import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "trainables"))

import tiny_run
import yaml

EPOCHS = 8


def content() -> dict[str, Any]:
    """The study's file."""
    base = tiny_run.BASE.model_dump(mode="json")
    base.update(method="pointdistiller", parameters={"neighbors": 8, "samples": 64})
    for training in (base["training"], base["teacher"]["training"]):
        training.update(epochs=EPOCHS, validate_every=EPOCHS)
    points = [{"label": "student", "set": {"method": "student", "parameters": {}}}, {"label": "LD + RL"}]
    budget = {"concurrent": 1, "cohort": 1, "teacher_cpus": 1}
    return {"name": "small", "question": "Does it survive?", "base": base, "points": points, "budget": budget}


def breakable(trainable: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """The trainable, in a process that obeys."""

    def train(tune_config: dict[str, Any]) -> None:
        orders = Path(os.environ["FAULTS"])
        if all(thread.name != "obeys" for thread in threading.enumerate()):
            threading.Thread(target=obey, args=(orders / "nan",), name="obeys", daemon=True).start()
            threading.Thread(target=take, args=(orders / "memory",), daemon=True).start()
        trainable(tune_config)

    def take(order: Path) -> None:
        while True:
            while not order.exists():
                time.sleep(0.05)
            taken, before = list[bytearray](), resource.getrlimit(resource.RLIMIT_AS)
            holds = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (holds + 2**26, before[1]))
            while order.exists():
                for size in (2**24, 2**20, 2**16):
                    with suppress(MemoryError):
                        while True:
                            taken.append(bytearray(size))  # counts as taken, and costs the machine nothing
                time.sleep(0.05)
            taken.clear()
            resource.setrlimit(resource.RLIMIT_AS, before)

    def obey(order: Path) -> None:
        from trainables.training.student_model import StudentModel

        while True:
            time.sleep(0.02)
            students = [one for one in gc.get_objects() if isinstance(one, StudentModel)] if order.exists() else []
            for student in students[:1]:
                next(student.parameters()).data.fill_(float("nan"))
                order.unlink(missing_ok=True)

    return train


def main() -> None:
    """`run_study.py run` of this study."""
    import run_study
    from trainables import run as one_run

    results, address, *options = sys.argv[1:]
    file = Path(results).parent / "small.yaml"
    file.write_text(yaml.safe_dump(content()))
    one_run.trainable = breakable(one_run.trainable)
    sys.argv = ["run_study.py", "run", str(file), "--results", results, "--address", address, *options]
    run_study.main()


if __name__ == "__main__":
    main()
