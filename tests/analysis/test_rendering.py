"""Tables in four forms, with everything that could be read as markup escaped."""

import shutil
import subprocess
from pathlib import Path

import made_up_study as made_up
import numpy as np
import pandas as pd
import pytest

from analysis import listing
from analysis.latex_text import latex
from analysis.rendering import LATEX_NEEDS, LONGEST_FLOAT, to_csv, to_html, to_latex, to_markdown
from analysis.results import tidy
from analysis.wording import Best

TABLE = pd.DataFrame({"Row": ["a|b <i>", "c_d & 5%"], "mAP": ["61.2 ± 0.8", "−1.0"]})
LINES = pd.DataFrame({"Row": ["x"], "mAP": pd.Series([Best("61.2 (n = 3)\n60.9 to 61.5")], dtype=object)})
STRANGE = (
    "[x] * \\ & % $ # _ { } ~ ^ < > | \" ` ' - -- — é Ż ñ ğ ß Œ τ Σ ς Λ ο ± × ✓ − ↑ ≤ µ € 中 🚗 \u202e \x07 \t end"
)
"""Text that would end, break or blank a table where it is not escaped."""


def test_markdown_keeps_pipes_and_tags_inside_cells():
    assert to_markdown(TABLE).splitlines()[2] == "| a\\|b &lt;i> | 61.2 ± 0.8 |"


def test_html_shows_markup_as_text():
    assert "a|b &lt;i&gt;" in to_html(TABLE)
    assert "<i>" not in to_html(TABLE)


def test_latex_escapes_what_latex_reads():
    text = to_latex(TABLE, "50 % of $x_1$")
    assert r"c\_d \& 5\% & $-$1.0 \\" in text
    assert r"\caption{50 \% of \$x\_1\$}" in text


def test_the_best_is_bold_and_lines_stay_lines_in_every_form():
    assert "| **61.2** (n = 3)<br>60.9 to 61.5 |" in to_markdown(LINES)
    assert "<td class=short><b>61.2</b> (n = 3)<br>60.9 to 61.5</td>" in to_html(LINES)
    assert r"\begin{tabular}[t]{@{}l@{}}\textbf{61.2} (n = 3) \\ 60.9 to 61.5\end{tabular}" in to_latex(LINES, "")


def test_latex_makes_a_table_of_every_part_without_the_columns_that_are_empty_there():
    table = pd.DataFrame({"Part": ["A", "B"], "Row": ["r", "s"], "left x": ["1", "–"], "left y": ["2", "3"]})
    table.attrs = {"part": "Part", "groups": {"left x": ("left", "x"), "left y": ("left", "y")}}
    _, first, second = to_latex(table, "Read.").split(r"\begin{table*}")
    assert r"\caption{A. Read.}" in first
    assert "\n & \\multicolumn{2}{c}{left} \\\\\n\\cmidrule(lr){2-3}\nRow & x & y \\\\\n" in first
    assert "\nRow & y \\\\\n" in second


def test_a_line_parts_the_groups_of_the_first_column():
    grouped = pd.DataFrame({"Task": ["BEV", "BEV", "3D"], "Row": ["a", "b", "a"]})
    assert [("group" in line) for line in to_html(grouped).splitlines() if "<td" in line] == [False, False, True]
    assert "b \\\\\n\\midrule\n3D & a" in to_latex(grouped, "")


def test_csv_holds_every_digit_and_leaves_unknown_numbers_empty():
    assert to_csv(pd.DataFrame({"a": [1 / 3, np.nan]})) == 'a\n0.3333333333333333\n""\n'


def test_characters_that_no_font_has_are_named_by_number():
    assert latex("é中τ") == r"\'{e}\texttt{U+4E2D}$\tau$"


def compiled(folder: Path, tables: list[str]) -> None:
    """Set a document of these tables with pdfLaTeX; skip where there is none, or it lacks a package."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed; Debian has it in texlive-latex-recommended")
    missing = [name for name in LATEX_NEEDS if not _has(f"{name}.sty")]
    if missing:
        pytest.skip(f"this TeX lacks {', '.join(missing)}; Debian has all in texlive-latex-recommended")
    packages = f"\\documentclass{{article}}\n\\usepackage{{{','.join(LATEX_NEEDS)}}}\n"
    whole = "\\clearpage\n".join(tables)
    (folder / "tables.tex").write_text(f"{packages}\\begin{{document}}\n{whole}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (folder / "tables.pdf").stat().st_size > 1000


def _has(file: str) -> bool:
    return subprocess.run(["kpsewhich", file], check=False, capture_output=True).returncode == 0


def test_every_table_of_a_whole_study_compiles(tmp_path):
    asked = made_up.whole(seeds=(0, 1, 2))
    results = tidy(
        (asked,), made_up.records(asked), made_up.planned(asked), importances={asked.name: made_up.IMPORTANCES}
    )
    tables = []
    for module in listing.tables().values():
        summary = module.summarize(results)
        tables.append(to_latex(module.present(summary), module.caption(summary)))
    assert len(tables) == len(listing.tables())
    compiled(tmp_path, tables)


@pytest.mark.parametrize("rows", [2, LONGEST_FLOAT + 1], ids=["float", "broken over pages"])
def test_a_table_compiles_whatever_its_rows_are_called(rows, tmp_path):
    first = pd.Series([Best(f"{STRANGE} {row}") for row in range(rows)], dtype=object)
    table = pd.DataFrame({STRANGE: [STRANGE] * rows, "b": first, "c": [f"[1]\n*{STRANGE}"] * rows})
    compiled(tmp_path, [to_latex(table, STRANGE)])


def test_every_printable_character_below_300_hex_and_every_greek_one_compiles(tmp_path):
    codes = [*range(0x20, 0x300), *range(0x370, 0x400)]
    texts = ["".join(map(chr, codes[start : start + 8])) for start in range(0, len(codes), 8)]
    compiled(tmp_path, [to_latex(pd.DataFrame({"text": texts}), "all")])
