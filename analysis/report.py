"""From study folders to `report/`: one page to read, and every table and figure as files to use.

    report/index.html      the question, the answer, tables and figures, every run, where it all comes from
    report/tables/         <name>.csv (numbers), .md, .tex
    report/figures/        <name>.pdf, .png, <name>_column.pdf (one column wide), .csv (exactly what is drawn)

The same records give the same bytes. What has nothing to show is left out, and named at the end of the page. A reader
sees the old page or the whole new one, also while it is written.
"""

import html
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from analysis import listing, page, rendering, style
from analysis.answers import sentences
from analysis.cells import tidy_cells
from analysis.claim_notes import notes
from analysis.page import run_details
from analysis.provenance import origins, source
from analysis.results import Results
from analysis.study_folders import load
from analysis.wording import count, with_unit
from study.nouns.errors import unknown_name

ROWS_ON_THE_PAGE = 500
"""Longer tables are cut on the page (never in their files), and say so."""
RECORDS_NAMED = 100
"""Of those that cannot be read."""
LARGEST_DRAWING = 300_000
"""Bytes. A picture of many points is larger as a drawing than as an image, and slower to show."""

FIRST, LAST = ("comparison", "compression", "ablation"), ("failures", "all_runs")
"""Tables before the figures, and at the end."""
CLAIMS, CLAIM_FIGURES = "claimed", ("claim_intervals", "claim_looks")
"""What comes before everything else where a study makes claims: a table, its picture, and how it came to that."""


class Part(NamedTuple):
    """A table or figure on the page; one with nothing to show has no body, and a reason."""

    title: str
    body: str
    why_empty: str = ""


def write(study_folders: list[Path], into: Path | None = None) -> Path:
    """Write the report of one or more studies.

    Args:
        study_folders: folders that hold study.json and plan.json.
        into: where the report goes; by default `report/` in the only study, or beside several.

    Returns:
        Path of index.html.

    Raises:
        InputError: a folder is not a study's.
    """
    results = load(study_folders)
    return lay_out(results, into or beside(study_folders))


def beside(study_folders: list[Path]) -> Path:
    """Where a report goes if nobody says where: into the only study, or beside several."""
    first = Path(study_folders[0]).absolute()
    return (first if len(study_folders) == 1 else first.parent) / "report"


def items(results: Results, folder: Path, names: Iterable[str]) -> list[Path]:
    """Write the files of some tables and figures, and no page; returns those that there are.

    Raises:
        InputError: there is none of such a name.
    """
    tables, figures = listing.tables(), listing.figures()
    for name in names:
        if name not in tables and name not in figures:
            raise unknown_name("table or figure", name, [*tables, *figures])
    _folders(folder)
    written: list[Path] = []
    for name in names:
        if name in tables:
            _table(tables[name], name, results, folder)
        else:
            _figure(figures[name], name, results, folder)
        where = folder / ("tables" if name in tables else "figures")
        written += sorted([*where.glob(f"{name}.*"), *where.glob(f"{name}_column.pdf")])
    return written


def lay_out(results: Results, folder: Path, watched: str = "", refresh: int | None = None) -> Path:
    """Write the report of results into a folder; returns the path of index.html.

    Args:
        results: of one or more studies.
        folder: made where it is not there.
        watched: what the page says of itself while the studies run.
        refresh: seconds after which a browser reads the page again; None: never.
    """
    _folders(folder)
    tables = {name: _table(module, name, results, folder) for name, module in listing.tables().items()}
    figures = {name: _figure(module, name, results, folder) for name, module in listing.figures().items()}
    answer = page.bullets(sentences(results), "answer")
    if results.unreadable:
        answer += page.note(
            f"{count(len(results.unreadable), 'record')} could not be read and left out (listed below).", True
        )
    ends = [tables.pop(name) for name in LAST]
    begins = [tables.pop(name) for name in FIRST]
    claims, picture, decided = tables.pop(CLAIMS), *(figures.pop(name) for name in CLAIM_FIGURES)
    parts = [*begins, *figures.values(), *tables.values(), *ends]
    sections = [("Answer", answer), *((part.title, part.body) for part in parts if part.body)]
    if results.answers:
        said = page.bullets(notes(results))
        sections = [(claims.title, claims.body + picture.body), (decided.title, decided.body + said), *sections]
        parts = [picture, decided, *parts]
    absent = {part.title: part.why_empty for part in parts if not part.body}
    if runs := run_details.details(results):
        sections.append((run_details.TITLE, runs))
    sections.append(("Where this comes from", _provenance(results) + page.left_out(absent)))
    title = "Study: " + ", ".join(spec.name for spec in results.specs)
    head = (page.note(watched, True) if watched else "") + _question(results)
    index = folder / "index.html"
    partial = folder / f".index.html.{os.getpid()}"
    partial.write_text(page.document(title, sections, head, refresh), encoding="utf-8")
    return partial.replace(index)


def _table(module: ModuleType, name: str, results: Results, folder: Path) -> Part:
    summary = module.summarize(results)
    stem = folder / "tables" / name
    if summary.empty:
        _remove(stem, ".csv", ".md", ".tex")
        return Part(module.TITLE, "", module.EMPTY)
    stem.with_suffix(".csv").write_text(rendering.to_csv(tidy_cells(summary)), encoding="utf-8")
    texts, caption = module.present(summary), module.caption(summary)
    stem.with_suffix(".md").write_text(f"{rendering.to_markdown(texts)}\n{caption}\n", encoding="utf-8")
    stem.with_suffix(".tex").write_text(rendering.to_latex(texts, caption), encoding="utf-8")
    body = rendering.to_html(texts.head(ROWS_ON_THE_PAGE)) + page.note(f"{caption} {source(results)}")
    if len(texts) > ROWS_ON_THE_PAGE:
        body += page.note(f"The first {ROWS_ON_THE_PAGE} of {len(texts)} rows; the files hold all.")
    files = {text: f"tables/{name}{end}" for text, end in (("CSV", ".csv"), ("Markdown", ".md"), ("LaTeX", ".tex"))}
    return Part(module.TITLE, body + page.files(files, _command(results, name)))


def _figure(module: ModuleType, name: str, results: Results, folder: Path) -> Part:
    summary = module.summarize(results)
    stem = folder / "figures" / name
    if summary.empty:
        _remove(stem, ".csv", ".pdf", ".png")
        _remove(stem.with_name(f"{name}_column"), ".pdf")
        return Part(module.TITLE, "", module.EMPTY)
    stem.with_suffix(".csv").write_text(rendering.to_csv(summary), encoding="utf-8")
    drawn = module.draw(summary)
    style.save(drawn, stem)
    style.save_pdf(module.draw(summary, style.COLUMN_WIDTH), stem.with_name(f"{name}_column"))
    links = {end.upper(): f"figures/{name}.{end}" for end in ("pdf", "png", "csv")}
    caption = f"{module.caption(summary)} {source(results)}"
    content = style.svg(drawn)
    if len(content) > LARGEST_DRAWING:
        content = style.screen(drawn)
    body = page.picture(content, caption, module.TITLE, links["PNG"])
    links |= {"PDF for one column": f"figures/{name}_column.pdf"}
    return Part(module.TITLE, body + page.files(links, _command(results, name)))


def _folders(folder: Path) -> None:
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def _command(results: Results, name: str) -> str:
    """What makes a table or figure again, from where the results lie."""
    folders = dict.fromkeys(files.root for files in results.files.values())
    where = " ".join(f"{root.parent.name}/{root.name}" for root in folders) or "DIR"
    return f"python run_study.py report {where} --only {name}"


def _remove(stem: Path, *endings: str) -> None:
    for ending in endings:
        stem.with_suffix(ending).unlink(missing_ok=True)


def _question(results: Results) -> str:
    text = ""
    for study in results.studies:
        spec = study.specs[0]
        text += f'<p class="question">{html.escape(spec.question)}</p>\n'
        seeds = f"{'up to ' if spec.claims else ''}{count(len(spec.seeds), 'seed')}"
        asked = [f"{count(len(spec.points), 'fixed row')} on {seeds}"] if spec.points else []
        if spec.search is not None:
            found = (study.runs["role"] == "search").sum()
            asked.append(f"a search of {spec.search.trials} trials ({found} distinct runs recorded)")
        base = spec.base
        text += page.note(
            f"Asked: {' and '.join(asked)}; judged by {with_unit(study.metric.title, study.metric.unit)}. Base run: "
            f"{base.detector.name}, {base.detector.compression:g}x compressed, {base.dataset.name} data, "
            f"{base.training.epochs} epochs."
        )
        content = json.dumps(spec.model_dump(mode="json"), indent=1)
        text += page.folded(f"The whole question of “{spec.name}”: base run, rows, search space, budget", content)
    return text


def _provenance(results: Results) -> str:
    body = page.definitions(origins(results))
    keys = results.runs[["row", "seed", "key"]].astype(str).agg("  ".join, axis=1)
    which = f"all {len(keys)} runs" if len(keys) <= ROWS_ON_THE_PAGE else f"the first {ROWS_ON_THE_PAGE} runs"
    body += page.folded(f"Config keys of {which} (row, seed, key)", "\n".join(keys.head(ROWS_ON_THE_PAGE)))
    if results.unreadable:
        few = results.unreadable[:RECORDS_NAMED]
        part = f" (the first {len(few)} of {len(results.unreadable)})" if few != results.unreadable else ""
        body += page.note(f"Records that could not be read{part}:", True) + page.bullets(list(few))
    return body
