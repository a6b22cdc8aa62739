"""What a distillation method is, and the features that it sees.

A method is one file in trainables/distillers/ that defines one `Distiller`. It sees the features of student and
teacher under names, never the detectors; its adapters are its own and end with training.
"""

import importlib
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from study.nouns.errors import unknown_name
from study.nouns.frozen import Frozen, allowed
from study.nouns.parameters import Called, Range
from trainables.features import Batch, Features

UNDISTILLED = {
    "teacher": "The detector at full size, trained alone.",
    "student": "The compressed detector, trained without distillation.",
}


class Distiller(nn.Module):
    """A distillation method: student's and teacher's features in, weighted scalar loss terms out.

    Subclasses define `Parameters` (their hyper-parameters) and, in their module docstring's first line, what they
    are.
    """

    class Parameters(Frozen):
        """Hyper-parameters of the method; every method has a weight, unknown names are refused."""

        weight: float = 1.0

    constant: float = 1.0
    """What the authors multiply the loss by, where that is one number; `parameters.weight` is a multiple of it."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Fields of `Features` that the method reads."""
    weight_range: ClassVar[tuple[float, float]] = (0.1, 10.0)
    """Where a fair comparison searches `weight`, log-uniform."""
    teacher_mode: str = "eval"
    """`eval`: the teacher is frozen whole. `train`: its batch norm uses batch statistics (as released codes do).
    `average`: instead of the teacher, a copy of the student that follows it as an exponential moving average."""

    @classmethod
    def reads_with(cls, parameters: Any) -> tuple[str, ...]:
        """The features read with these (complete) hyper-parameters."""
        return cls.reads

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Every hyper-parameter with its value, so that equal runs have equal keys.

        Args:
            parameters: what was set.
            kind: the detector's kind of rows (`pillars`, `cells`, `points`).

        Raises:
            pydantic.ValidationError: an unknown name or a value out of range.
        """
        return cls.Parameters(**parameters).model_dump()

    @classmethod
    def as_released(cls, parameters: dict[str, Any], released: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What was set; where that asks for the released code, together with what the code sets for one detector alone.

        Args:
            parameters: what was set.
            released: by method, what the detector says of it (`DetectorSpec.released`).
        """
        return parameters

    @classmethod
    def called(cls, parameters: Any) -> dict[str, Called]:
        """How people call the values of a run (by dotted key) that this method lets them vary.

        Args:
            parameters: complete hyper-parameters, as what they mean may follow from each other.
        """
        return {"parameters.weight": Called(symbol="weight", title="weight of the loss")}

    @classmethod
    def search_space(cls, parameters: Any) -> dict[str, Range]:
        """Where a search looks for the values of a run, by dotted key; each of them is `called` something.

        Args:
            parameters: complete hyper-parameters of the run around which is searched.
        """
        low, high = cls.weight_range
        return {"parameters.weight": Range(low=low, high=high, log=True)}

    def __init__(self, parameters: Any, student: Features, teacher: Features) -> None:
        """Build the adapters.

        Args:
            parameters: an instance of this class's `Parameters`, complete.
            student, teacher: features of a small probe batch, for their shapes.
        """
        super().__init__()
        self.options: Any = parameters
        self.teacher_mode = getattr(parameters, "teacher_mode", self.teacher_mode)
        self.generator = torch.Generator()
        """The method's own random stream; the trainer seeds it at every epoch."""
        self.epoch = 0
        """Epochs that were completed; the trainer sets it at every epoch."""
        self.epochs = 1
        """Epochs that the training has; the trainer sets it, too."""

    def beside(self, others: Sequence["Distiller"]) -> None:
        """Told who else learns from the teacher's same pass: what is worked out of it for one may serve all.

        What a method finds must not depend on it (`Features.once`).
        """

    def supervise(self, teacher: Features, batch: Batch) -> Batch:
        """The batch from whose ground truth the student learns: as it is, unless the method adds to it."""
        return batch

    def forward(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The terms of one step, those that are trained on times `weight` and the method's constant."""
        factor = self.options.weight * self.constant
        terms = self.terms(student, teacher, batch)
        return {name: factor * value if "loss" in name else value for name, value in terms.items()}

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The terms of one step without their weight, in float32 whatever the networks compute in.

        Returns:
            Scalars by name. Names start with `kd_` and contain `loss` where they are trained on; others are written
            down only.
        """
        raise NotImplementedError


def names() -> list[str]:
    """Every method: the files of trainables/distillers/."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


@cache
def load(name: str) -> type[Distiller]:
    """The Distiller that the file trainables/distillers/<name>.py defines.

    Raises:
        InputError: there is no such file; says what there is.
    """
    if name not in names():
        raise unknown_name("method", name, ["teacher", "student", *names()])
    module = importlib.import_module(f"trainables.distillers.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Distiller) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"trainables/distillers/{name}.py must define one Distiller, found {len(found)}")
    return found[0]


def describe() -> list[dict[str, Any]]:
    """Name, one line, what is read, the weight's range and the hyper-parameters of every method."""
    alone = [{"name": name, "description": text, "reads": [], "parameters": []} for name, text in UNDISTILLED.items()]
    return [*alone, *map(_described, names())]


def _described(name: str) -> dict[str, Any]:
    """Defaults and features are those of PointPillars where they depend on the detector."""
    method = load(name)
    defaults = method.complete({}, "pillars")
    return {
        "name": name,
        "description": (sys.modules[method.__module__].__doc__ or "").strip().splitlines()[0],
        "reads": list(method.reads_with(method.Parameters(**defaults))),
        "weight_range": list(method.weight_range),
        "parameters": [
            {
                "name": key,
                "default": defaults.get(key, field.default),
                "range": allowed(field),
                "description": field.description,
            }
            for key, field in method.Parameters.model_fields.items()
        ],
    }
