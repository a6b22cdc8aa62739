"""The tables and figures there are: the files in their folders. A new file is a new table or figure.

A table offers TITLE, EMPTY, `summarize(results) -> DataFrame` (numbers, saved as CSV), `caption(summary) -> str` and
`present(summary) -> DataFrame` (texts for people). A figure offers the same with `draw(summary, width) -> Figure` in
place of `present`; `analysis/style.py` holds the widths. EMPTY says why a summary without rows is empty, and so is not
in a report. A summary has a column `missing`, the runs behind a row that should be there and are not, and a caption
says how many they are.
"""

import importlib
import pkgutil
from types import ModuleType

import analysis.figures
import analysis.tables


def tables() -> dict[str, ModuleType]:
    """Every table by its file name."""
    return _modules(analysis.tables)


def figures() -> dict[str, ModuleType]:
    """Every figure by its file name."""
    return _modules(analysis.figures)


def _modules(package: ModuleType) -> dict[str, ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}
