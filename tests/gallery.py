"""The gallery of figures in docs/, drawn from runs that really ran: `python -m tests.gallery STUDY_FOLDER...`.

Each figure is of the first of the studies that has something to show in it. Those behind the gallery are the quick
start and, for what it does not ask, docs/gallery/study.yaml.
"""

import argparse
import io
from pathlib import Path
from types import ModuleType

import pandas as pd
from PIL import Image

from analysis import listing, style
from analysis.results import Results
from analysis.study_folders import load

DOCS = Path(__file__).resolve().parent.parent / "docs"
DPI = 110

HEAD = """# What the figures look like

Every figure of a report that the studies {studies} fill, at the width of a page, with the caption
that the report gives it. The runs are short ones on simulated scans and say nothing about KITTI. This page is made by

    python run_study.py run quickstart
    python run_study.py inspect results/quickstart
    python run_study.py run docs/gallery/study.yaml --simulated
    python -m tests.gallery results/quickstart results/gallery

Colors are told apart by people with any color vision, and in gray by marker, hatch or lightness; `tests/contracts`
asks every figure for that, and for letters of at least 7 points, none cut off, at both widths.
"""


def write(studies: list[Results], docs: Path) -> list[str]:
    """Draw every figure that one of the studies fills into `docs/gallery/`, with `docs/gallery.md` around them.

    Args:
        studies: the first that has something to show is drawn.
        docs: the folder of both.

    Returns:
        The names of the figures that none of the studies fills.
    """
    names = " and ".join(dict.fromkeys(f"`{spec.name}`" for study in studies for spec in study.specs))
    page, empty = [HEAD.format(studies=names)], []
    for name, module in listing.figures().items():
        summary = _first(module, studies)
        if summary.empty:
            empty.append(name)
            continue
        picture = docs / "gallery" / f"{name}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(_small_png(module, summary))
        page.append(f"\n## {module.TITLE}\n\n![{module.TITLE}](gallery/{name}.png)\n\n{module.caption(summary)}\n")
        page.append(f"\n`analysis/figures/{name}.py`\n")
    (docs / "gallery.md").write_text("".join(page), encoding="utf-8")
    return empty


def _first(module: ModuleType, studies: list[Results]) -> pd.DataFrame:
    summaries: list[pd.DataFrame] = [module.summarize(study) for study in studies]
    return next((summary for summary in summaries if len(summary)), summaries[0])


def _small_png(module: ModuleType, summary: pd.DataFrame) -> bytes:
    drawn, buffer = io.BytesIO(), io.BytesIO()
    with style.applied():
        module.draw(summary).savefig(drawn, format="png", dpi=DPI)
    Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="+", type=Path, help="of a study: results/gallery")
    folders = parser.parse_args().folder
    empty = write([load([folder]) for folder in folders], DOCS)
    print(f"docs/gallery.md is written; not filled by these studies: {', '.join(empty) or 'none'}")


if __name__ == "__main__":
    main()
