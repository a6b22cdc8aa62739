"""What only the trainables can say of a machine: do operators load, which devices does torch see, can data be read."""

import os
from collections.abc import Iterator
from pathlib import Path

Told = tuple[str, bool, str]


def probe(data: Path | None, gpus: int | None) -> list[Told]:
    """Look at this machine, in a process that has not loaded torch yet where all its GPUs are to be seen.

    Args:
        data: root of a data set, or None.
        gpus: how many Ray gives away here; None where no Ray says so.

    Returns:
        Of each check its name, whether all is well, and what was found or what to do.
    """
    if gpus is not None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides them from a task that takes none
    return [*_devices(gpus), _operators(), *([_data(data)] if data is not None else [])]


def _devices(gpus: int | None) -> Iterator[Told]:
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found < (gpus or 0):
        yield (
            "devices",
            False,
            f"torch {torch.__version__} sees {found} of {gpus} GPUs: is it the set-up of `make gpu`?",
        )
    elif not found and Path("/dev/nvidia0").exists():
        yield (
            "devices",
            False,
            f"torch {torch.__version__} sees no GPU, and one is there: is it the set-up of `make gpu`?",
        )
    else:
        names = ", ".join(torch.cuda.get_device_name(number) for number in range(found))
        yield "devices", True, names or f"no GPU: runs train on the CPU ({os.cpu_count()} cores)"


def _operators() -> Told:
    from trainables.ops.setup import bridge

    bridge.install()
    import mmcv.ops
    import torch

    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.1], [5.0, 5.0, 6.0, 6.0]])
    kept = mmcv.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1].tolist()
    return "operators", kept == [0, 2], "they load and give what they should" if kept == [0, 2] else f"nms gave {kept}"


def _data(data: Path) -> Told:
    from study.nouns.errors import InputError
    from trainables import datasets

    try:
        name = datasets.recognized(data)
        datasets.load(name).check(data)
    except (InputError, OSError) as error:
        return "data", False, str(error)
    return "data", True, f"{data} is {name}, made ready"
