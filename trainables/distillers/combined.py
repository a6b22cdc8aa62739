"""A weighted sum of other methods, as PointDistiller's paper suggests that its parts compose with others.

Zhang, Dong, Tai and Ma, "PointDistiller" (2022), section 4. `methods` names the parts with their hyper-parameters, the
weight of each among them; the student under all of them has one teacher, so they must agree on how it runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.overrides import validated
from study.nouns.parameters import Called
from trainables.distillers import Distiller, load
from trainables.features import Batch, Features


class Combined(Distiller):
    """The terms of several methods, each under its method's name."""

    class Parameters(Frozen):
        """The parts."""

        weight: float = Field(1.0, ge=0, description="multiple of every part's weight")
        methods: dict[str, dict[str, Any]] = Field(
            {"pointdistiller": {}, "kd": {}}, min_length=1, description="each part's name and its hyper-parameters"
        )

    @classmethod
    def reads_with(cls, parameters: Any) -> tuple[str, ...]:
        """Whatever one of the parts reads."""
        read = [load(name).reads_with(options) for name, options in _parts(parameters).items()]
        return tuple(dict.fromkeys(feature for features in read for feature in features))

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Complete every part.

        Raises:
            InputError: a part is no method or is a combination itself, has an unknown or impossible hyper-parameter,
                or wants its teacher run in another way than the others.
        """
        whole = super().complete(parameters, kind)
        modes = {}
        for name, options in whole["methods"].items():
            method = load(name)
            if method is cls:
                raise InputError("parameters.methods: a combination is no part of another; name its parts here")
            validated(method.Parameters, options, prefix=f"parameters.methods.{name}")
            whole["methods"][name] = method.complete(options, kind)
            modes[name] = whole["methods"][name].get("teacher_mode") or method.teacher_mode
        if len(set(modes.values())) > 1:
            found = ", ".join(f"{name}={mode}" for name, mode in modes.items())
            raise InputError(f"parameters.methods must agree on one teacher_mode, got {found}")
        return whole

    @classmethod
    def as_released(cls, parameters: dict[str, Any], released: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Each part as its own method has it."""
        parts = cls.Parameters(**parameters).methods.items()
        return {**parameters, "methods": {name: load(name).as_released(options, released) for name, options in parts}}

    @classmethod
    def called(cls, parameters: Any) -> dict[str, Called]:
        """Its own weight, and what each part's values are called."""
        names = super().called(parameters)
        for part, options in _parts(parameters).items():
            for key, called in load(part).called(options).items():
                names[key.replace("parameters.", f"parameters.methods.{part}.", 1)] = called
        return names

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        self.parts = nn.ModuleDict(
            {name: load(name)(options, student, teacher) for name, options in _parts(parameters).items()}
        )
        self.teacher_mode = next(iter(self._each().values())).teacher_mode

    def beside(self, others: Sequence[Distiller]) -> None:
        """Pass it on to the parts."""
        for part in self._each().values():
            part.beside(others)

    def supervise(self, teacher: Features, batch: Batch) -> Batch:
        """The batch as the parts make it, one after the other."""
        for part in self._each().values():
            batch = part.supervise(teacher, batch)
        return batch

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The parts' terms: `kd_loss` of the method m becomes `kd_m_loss`."""
        terms = {}
        for name, part in self._each().items():
            for term, value in part(student, teacher, batch).items():
                terms[f"kd_{name}_{term.removeprefix('kd_')}"] = value
        return terms

    def _each(self) -> dict[str, Any]:
        """The parts, with this method's random stream and place in the training."""
        parts: dict[str, Any] = dict(self.parts.items())
        for part in parts.values():
            part.generator, part.epoch, part.epochs = self.generator, self.epoch, self.epochs
        return parts


def _parts(parameters: Any) -> dict[str, Any]:
    """An instance of each part's own `Parameters`."""
    return {name: load(name).Parameters(**options) for name, options in parameters.methods.items()}
