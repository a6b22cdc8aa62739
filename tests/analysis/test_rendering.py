"""Tables in four forms, with everything that could be read as markup escaped."""

import numpy as np
import pandas as pd

from analysis.rendering import to_csv, to_html, to_latex, to_markdown

TABLE = pd.DataFrame({"Row": ["a|b <i>", "c_d & 5%"], "mAP": ["61.2 ± 0.8", "−1.0"]})


def test_markdown_keeps_pipes_inside_cells():
    assert to_markdown(TABLE).splitlines()[2] == "| a\\|b <i> | 61.2 ± 0.8 |"


def test_html_shows_markup_as_text():
    assert "a|b &lt;i&gt;" in to_html(TABLE)
    assert "<i>" not in to_html(TABLE)


def test_latex_escapes_what_latex_reads():
    text = to_latex(TABLE, "50 % of $x_1$")
    assert r"c\_d \& 5\% & $-$1.0 \\" in text
    assert r"\caption{50 \% of \$x\_1\$}" in text


def test_a_line_parts_the_groups_of_the_first_column():
    grouped = pd.DataFrame({"Task": ["BEV", "BEV", "3D"], "Row": ["a", "b", "a"]})
    assert [("group" in line) for line in to_html(grouped).splitlines() if "<td" in line] == [False, False, True]


def test_csv_leaves_unknown_numbers_empty():
    assert to_csv(pd.DataFrame({"a": [1 / 3, np.nan]})) == 'a\n0.3333333\n""\n'
