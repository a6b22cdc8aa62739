"""The table below the lines of progress, where the terminal can show one: rows, seeds, epochs, verdicts, time left.

It is drawn anew whenever a run starts, is validated or ends; what is printed meanwhile goes above it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

from ray.tune import Callback
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.driver.progress import Progress, never_raises
from study.planning.standing import counted, row_of
from study.planning.study_state import StudyState

MOST = 20
"""Rows of the table; what has ended is left out first."""
RUNNING = 3
"""Seeds of a row whose epochs are shown."""


class LiveTable(Callback):
    """Draws how far a study is.

    Args:
        state: of the study.
        progress: of this launch; called back before this is.
        console: a terminal, or a console that shows nothing live.
        say: where lines go.
    """

    def __init__(
        self, state: StudyState, progress: Progress, console: Console, say: Callable[[str], None] = print
    ) -> None:
        self.state, self.progress, self.say = state, progress, say
        self.live = Live(console=console, auto_refresh=False, transient=True)

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; a terminal stays with this process."""
        return {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table inside; nothing where the console is no terminal."""
        if not self.live.console.is_terminal:
            yield
            return
        with self.live:
            yield

    @never_raises
    def draw(self, **info: Any) -> None:
        """Draw it anew."""
        if self.live.is_started:
            self.live.update(self.table(), refresh=True)

    on_trial_start = partialmethod(draw)
    on_trial_result = partialmethod(draw)
    on_trial_complete = partialmethod(draw)
    on_trial_error = partialmethod(draw)
    on_trial_recover = partialmethod(draw)

    def table(self) -> RenderableType:
        """What is shown now."""
        rows, plan = Table(box=None, padding=(0, 2, 0, 0)), self.state.plan()
        for heading in ("row", "done", "running", "planned", "failed", "epochs"):
            rows.add_column(heading, justify="left" if heading in ("row", "epochs") else "right", no_wrap=True)
        planned, ended = counted(plan, self.state.files.status)
        under_way: dict[str, list[str]] = {}
        for one, part in self.progress.running:
            under_way.setdefault(row_of(one.role, one.label), []).append(f"seed {one.config.seed} {part:.0%}")
        order = sorted(planned, key=lambda name: (name not in under_way, ended[name].total() >= planned[name]))
        shown = [name for name in planned if name in order[:MOST]]
        for name in shown:
            now, so_far = under_way.get(name, []), ended[name]
            epochs = ", ".join(now[:RUNNING]) + (", ..." if len(now) > RUNNING else "")
            counts = (so_far["finished"], len(now), planned[name] - so_far.total() - len(now), so_far["failed"])
            rows.add_row(Text(name), *map(str, counts), Text(epochs))
        return Group("", rows, *self._notes(len(planned) - len(shown)))

    def _notes(self, left_out: int) -> list[RenderableType]:
        """What stands below the rows."""
        notes = [f"and {left_out} rows more"] if left_out else []
        if self.state.waves is not None:
            notes += [f"{claim}: {word}" for claim, word in self.state.waves.verdicts()]
        progress = self.progress
        left = f", about {progress.left} left" if progress.left else ""
        notes.append(f"{progress.done} of {progress.total} runs done{left}")
        return [Text(note) for note in notes]
