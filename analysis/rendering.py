"""A table of texts as CSV, Markdown, LaTeX (booktabs) or HTML. What is escaped is escaped here."""

import html
import textwrap
from itertools import groupby

import pandas as pd

from analysis.latex_text import latex
from analysis.wording import DASH, Best

LATEX_NEEDS = ("booktabs", "amssymb", "graphicx", "longtable")
"""Packages that a document with these tables loads."""
LONGEST_FLOAT = 40
"""Rows of a LaTeX table that fits on a page; a longer one is broken over pages, in documents of one column."""

WIDEST_HEADING = 12
"""Letters of a LaTeX heading; a longer one goes over several lines."""


def to_csv(summary: pd.DataFrame) -> str:
    """The numbers behind a table or figure in full precision, one line per row, the same text for the same data."""
    return summary.to_csv(index=False, lineterminator="\n")


def to_markdown(table: pd.DataFrame) -> str:
    """A pipe table; what is best is bold, lines of a cell are parted by `<br>`."""
    lines = [[_escaped(str(name)) for name in table.columns], ["---"] * len(table.columns)]
    lines += [[_marked(str_of(cell), "**{}**") for cell in row] for row in table.itertuples(index=False)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def to_latex(table: pd.DataFrame, caption: str) -> str:
    """One booktabs table for each part, without columns that hold nothing there; LATEX_NEEDS says what it needs."""
    needs = f"% needs \\usepackage{{{','.join(LATEX_NEEDS)}}}\n"
    part = table.attrs.get("part")
    if not part:
        return needs + _latex_table(table, caption)
    tables = []
    for title in dict.fromkeys(table[part]):
        of_part = table[table[part] == title].drop(columns=part)
        held = [name for name in of_part if len(of_part) == 0 or of_part[name].ne(DASH).any()]
        tables.append(_latex_table(of_part[held], f"{title}. {caption}"))
    return needs + "\n".join(tables)


def to_html(table: pd.DataFrame) -> str:
    """A plain table; short cells stay on one line, a line parts the groups of the first column."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table.columns)
    body = "".join(
        f"<tr{' class=group' if start else ''}>{''.join(_cell(str_of(cell)) for cell in row)}</tr>\n"
        for start, row in zip(_starts(table), table.itertuples(index=False), strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def str_of(cell: object) -> str:
    """A cell as text, still marked where it is the best."""
    return cell if isinstance(cell, str) else str(cell)


def _starts(table: pd.DataFrame) -> pd.Series:
    """Where a new group of the first column begins, if any group has more than one row."""
    groups = table.iloc[:, 0].astype(str)
    starts = groups.ne(groups.shift()) & (groups.value_counts().max() > 1)
    starts.iloc[:1] = False
    return starts


def _escaped(text: str) -> str:
    """Nothing that Markdown reads as a cell's end or as a tag."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
    return text.replace("\n", "<br>")


def _marked(text: str, bold: str) -> str:
    if not isinstance(text, Best):
        return _escaped(text)
    first, space, rest = text.partition(" ")
    return bold.format(_escaped(first)) + space + _escaped(rest)


def _cell(text: str) -> str:
    short = " class=short" if max(map(len, text.split("\n"))) < 30 else ""
    first, space, rest = text.partition(" ") if isinstance(text, Best) else ("", "", text)
    bold = f"<b>{html.escape(first)}</b>{space}" if first else ""
    return f"<td{short}>{bold}{html.escape(rest)}</td>".replace("\n", "<br>")


def _latex_table(table: pd.DataFrame, caption: str) -> str:
    """A float as wide as the page at most, or a table that is broken over pages."""
    columns, head = "l" * table.shape[1], _latex_head(table)
    body: list[str] = []
    for start, row in zip(_starts(table), table.itertuples(index=False), strict=True):
        apart = (
            [r"\midrule"]
            if start
            else [r"\addlinespace[4pt]"]
            if body and any("\n" in str(cell) for cell in row)
            else []
        )
        body += [*apart, _latex_row(row)]
    if len(table) > LONGEST_FLOAT:
        top = [rf"\begin{{longtable}}{{{columns}}}", rf"\caption{{{latex(caption)}}} \\", r"\toprule", *head]
        return "\n".join([*top, r"\midrule", r"\endhead", *body, r"\bottomrule", r"\end{longtable}", ""])
    lines = [r"\begin{table*}", r"\centering", rf"\caption{{{latex(caption)}}}"]
    lines += [rf"\sbox0{{\begin{{tabular}}{{{columns}}}", r"\toprule", *head, r"\midrule", *body, r"\bottomrule"]
    lines += [r"\end{tabular}}%", r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi"]
    return "\n".join([*lines, r"\end{table*}", ""])


def _latex_head(table: pd.DataFrame) -> list[str]:
    """One line of headings; above it a line of those that they share, where some do."""
    groups = table.attrs.get("groups", {})
    names = [(str(name), *groups.get(name, ("", str(name)))) for name in table.columns]
    plain = " & ".join(_stacked(textwrap.wrap(heading, WIDEST_HEADING), "b") for _, _, heading in names) + r" \\"
    above, rules, at = [], [], 1
    for group, members in groupby(names, key=lambda name: name[1]):
        width = len(list(members))
        above.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(group)}}}" if group else " & ".join([""] * width))
        rules += [rf"\cmidrule(lr){{{at}-{at + width - 1}}}"] if group else []
        at += width
    return [" & ".join(above) + r" \\", " ".join(rules), plain] if rules else [plain]


def _latex_row(row: tuple[object, ...]) -> str:
    return " & ".join(_latex_cell(str_of(cell)) for cell in row) + r" \\"


def _latex_cell(text: str) -> str:
    lines = text.split("\n")
    if not isinstance(text, Best):
        return _stacked(lines)
    first, space, rest = lines[0].partition(" ")
    return _stacked(lines[1:], first=rf"\textbf{{{latex(first)}}}{space}{latex(rest)}")


def _stacked(lines: list[str], at: str = "t", first: str = "") -> str:
    """Lines above each other, aligned with what is beside them at the top or bottom."""
    found = [first] * bool(first) + [latex(line) for line in lines]
    broken = r" \\ ".join(found)
    return broken if len(found) < 2 else rf"\begin{{tabular}}[{at}]{{@{{}}l@{{}}}}{broken}\end{{tabular}}"
