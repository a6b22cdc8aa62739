"""The time of a training as a method sees it."""

from mmengine.hooks import Hook
from mmengine.runner import Runner


class MethodClock(Hook):
    """Tells the method, before every epoch, how many are done (`epoch`) and how many there will be (`epochs`)."""

    def before_train_epoch(self, runner: Runner) -> None:
        """Set both."""
        model = getattr(runner.model, "module", runner.model)
        if model.distiller is not None:
            model.distiller.epoch, model.distiller.epochs = runner.epoch, runner.max_epochs
