"""A table of texts as CSV, Markdown, LaTeX (booktabs) or HTML. What is escaped is escaped here."""

import html

import pandas as pd

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


def to_html(table: pd.DataFrame) -> str:
    """A plain table; short cells stay on one line, a line parts the groups of the first column."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    groups = table.iloc[:, 0].astype(str)
    starts = groups.ne(groups.shift()) & (groups.value_counts().max() > 1)
    starts.iloc[:1] = False
    body = "".join(
        f"<tr{' class=group' if start else ''}>{''.join(_cell(str(cell)) for cell in row)}</tr>\n"
        for start, row in zip(starts, table.itertuples(index=False), strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _cell(text: str) -> str:
    return f"<td{' class=short' if len(text) < 30 else ''}>{html.escape(text)}</td>"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
