"""A table of texts as CSV, Markdown, LaTeX (booktabs) or HTML. What is escaped is escaped here."""

import html
import re
from collections.abc import Mapping

import pandas as pd

NUMBER = re.compile(r"[+−-]?[\d.,]+( ?%|x)?|–|n/a|")
"""A cell of a column of numbers; what more than one number stands in is read from the left."""
SHORT = 30
"""Characters that stay on one line."""

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$", "✓": r"\checkmark",
    "−": r"$-$", "–": "--", "τ": r"$\tau$", "→": r"$\to$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def to_csv(summary: pd.DataFrame) -> str:
    """The numbers behind a table or figure; seven digits, one line per row, the same text for the same data."""
    return summary.to_csv(index=False, lineterminator="\n", float_format="%.7g")


def to_markdown(table: pd.DataFrame) -> str:
    """A pipe table."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    lines += [[str(cell) for cell in row] for row in table.itertuples(index=False)]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def to_latex(table: pd.DataFrame, caption: str) -> str:
    """A booktabs table; needs \\usepackage{booktabs,amssymb}."""
    rows = [" & ".join(_latex(str(cell)) for cell in row) + r" \\" for row in table.itertuples(index=False)]
    head = " & ".join(_latex(str(name)) for name in table.columns) + r" \\"
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}"]
    lines += [rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}", r"\toprule", head, r"\midrule", *rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def to_html(table: pd.DataFrame, links: Mapping[str, str] = {}) -> str:
    """A plain table: short cells on one line, numbers to the right, a line between the groups of the first column.

    Args:
        table: of texts.
        links: text of a cell -> what it leads to.
    """
    columns = [[str(cell) for cell in table.iloc[:, place]] for place in range(table.shape[1])]
    kinds = ["number" if all(map(NUMBER.fullmatch, column)) else "" for column in columns]
    head = "".join(
        f"<th scope=col{_kinds(kind)}>{html.escape(str(name))}</th>"
        for kind, name in zip(kinds, table.columns, strict=True)
    )
    groups = table.iloc[:, 0].astype(str)
    starts = groups.ne(groups.shift()) & (groups.value_counts().max() > 1)
    starts.iloc[:1] = False
    body = "".join(
        f"<tr{_kinds('group' if start else '')}>"
        f"{''.join(_cell(cell, kind, links) for cell, kind in zip(row, kinds, strict=True))}</tr>\n"
        for start, row in zip(starts, zip(*columns, strict=True), strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"


def _cell(text: str, kind: str, links: Mapping[str, str]) -> str:
    shown = html.escape(text)
    if text in links:
        shown = f'<a href="{html.escape(links[text])}">{shown}</a>'
    return f"<td{_kinds(kind, 'short' if len(text) < SHORT else '')}>{shown}</td>"


def _kinds(*names: str) -> str:
    known = " ".join(filter(None, names))
    return f' class="{known}"' if known else ""


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
