"""Write the golden tables: the numbers of every table of the planted study, to be looked through and then committed.

    PYTHONPATH=.:tests/analysis .venv/bin/python tests/golden/make_tables.py

Every number follows from `tests/analysis/planted_tables.py`; a change of them is a change of what reports say.
"""

import tempfile
from pathlib import Path

import planted_tables as planted

from analysis import rendering, runs

FOLDER = Path(__file__).with_name("tables")


def main() -> None:
    """Make every file anew."""
    with tempfile.TemporaryDirectory() as results:
        tables = planted.numbers(runs.read(planted.write(Path(results))))
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.csv"):
        old.unlink()
    for name, table in tables.items():
        (FOLDER / f"{name}.csv").write_text(rendering.to_csv(table), encoding="utf-8")


if __name__ == "__main__":
    main()
