"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, Any

import typer


def on_disk(path: str | Path) -> Path:
    """A folder on a disk, as an option (or its default) gives it.

    Raises:
        typer.BadParameter: it is the address of an object store.
    """
    if "://" in str(path):
        raise typer.BadParameter(
            f"{path}: expected a folder; results in an object store are for run, plan, doctor, status, stop, report, "
            "and `show URL KEY`"
        )
    return Path(path)


def anywhere(path: str | Path) -> Path | str:
    """A folder on a disk, or the address of an object store, which stays as it is."""
    return str(path) if "://" in str(path) else Path(path)


Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value by its dotted key.")]
Data = Annotated[Path | None, typer.Option(parser=on_disk, metavar="DIR", help="A root made ready by `prepare`.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Train on simulated scans where real ones are asked for.")]
Anywhere = Annotated[
    Any,
    typer.Option(
        "--results", parser=anywhere, metavar="DIR|URL", help="Where results lie; a URL: s3://, gs://, az://."
    ),
]
Folders = Annotated[
    list[Any],
    typer.Argument(
        parser=anywhere, metavar="DIR...", help="Study folders, e.g. results/quickstart, s3://bucket/x/ablation."
    ),
]
Results = Annotated[Path, typer.Option(parser=on_disk, metavar="DIR", help="Folder of all studies' results.")]
Mirror = Annotated[
    str | None, typer.Option(metavar="URL", help="Go on from, and keep the study in, an object store: s3://, gs://.")
]
AcceptWeak = Annotated[
    bool, typer.Option("--accept-weak-teacher", help="Distill also from a teacher below its teacher.minimum.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Address = Annotated[
    str,
    typer.Option(help="The Ray to use. local: one of its own; auto: the cluster of this machine; or HOST:PORT of one."),
]
Into = Annotated[
    Path | None,
    typer.Option(help="Where to write; by default report/ in the study's folder, or beside several studies."),
]
INSPECTED = "Labels of rows, or keys (their beginnings will do); by default every row not inspected yet."
Track = Annotated[
    list[str],
    typer.Option("--track", help="Tell a tracker of experiments, too: tensorboard, mlflow or wandb; may be repeated."),
]
