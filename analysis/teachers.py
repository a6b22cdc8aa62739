"""The teachers that students stand below: each student below the one that it was distilled from."""

import pandas as pd

NOTED = "facts.teacher/"
"""Before a metric's name: what a student noted of a teacher that was given as a checkpoint."""


def all_teachers(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per teacher, of any status: its own run, or what its students noted of one given as a checkpoint."""
    own = runs[runs["method"] == "teacher"]
    noted = [column for column in runs.columns if column.startswith(NOTED)]
    students = runs[~runs["teacher_key"].isin(own["key"])].dropna(subset=["teacher_key"])
    given = students.dropna(subset=noted, how="all").drop_duplicates("teacher_key") if noted else students.iloc[:0]
    if given.empty:
        return own
    given = given[["study", "family", "detector", "full_size", "dataset", "teacher_key", *noted]]
    given = given.rename(
        columns={"teacher_key": "key"} | {name: f"metrics.{name.removeprefix(NOTED)}" for name in noted}
    )
    given = given.assign(method="teacher", status="finished", role="teacher", compression=1.0)
    given = given.assign(label="given", row="teacher (given checkpoint)", variant="given " + given["key"].astype(str))
    return pd.concat([own, given], ignore_index=True)


def teachers_above(runs: pd.DataFrame, students: pd.DataFrame) -> pd.DataFrame:
    """The teachers that students name; where none names one, those of the same detector and data.

    Args:
        runs: all runs.
        students: runs of one setting.
    """
    found = all_teachers(runs)
    named = students["teacher_key"].dropna()
    if named.empty:
        return found[found["family"].isin(students["family"])]
    return found[found["key"].isin(named)]


def teacher_of(variant: pd.DataFrame, above: pd.DataFrame) -> pd.DataFrame:
    """The teachers of one variant; of a student without distillation the only one above its setting."""
    named = variant["teacher_key"].dropna()
    if named.empty:
        return above if above["variant"].nunique() == 1 else above.iloc[:0]
    return above[above["key"].isin(named)]
