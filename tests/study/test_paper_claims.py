"""What our studies claim in a paper's name is what the paper printed."""

import csv
from pathlib import Path

import pytest

from study import named_studies
from study.nouns.claims import Claim

PRINTED = Path(__file__).parents[2] / "analysis/published.csv"
DETECTORS = {"pointpillars": "PointPillars", "second": "SECOND", "pointrcnn": "PointRCNN"}
METHODS = {"student": (False, False), "RL": (False, True), "LD": (True, False), "LD + RL": (True, True),
           "pointdistiller": (True, True), "PointDistiller": (True, True)}  # fmt: skip
SIZES = {"2x": ("pointpillars_fpn", 2.0), "4x": ("pointpillars_fpn", 4.0), "S": ("centerpoint", 2.0),
         "XS": ("centerpoint", 3.0), "XXS": ("centerpoint", 8.0)}  # fmt: skip
ON_NUSCENES = {"SparseKD": "sparsekd", "RDD": "rdd", "RDD-F": "rdd_f", "RDD-L": "rdd_l"}


def printed() -> dict[tuple, float]:
    """Moderate 3D mAP, on nuScenes its detection score, by detector, compression, method and switches."""
    found = {}
    with PRINTED.open() as file:
        for row in csv.DictReader(file):
            if row["metric"] == {"KITTI": "mAP/3d/moderate", "nuScenes": "NDS"}[row["dataset"]]:
                which = row["detector"].lower(), float(row["compression"]), row["method"], row["local"], row["reweight"]
                found[which] = float(row["value"])
    return found


def value_of(label: str | None, beside: str) -> float:
    """The printed value of a row of our studies; None is the teacher of the row beside it."""
    detector, ratio, name = "pointpillars", 4.0, label
    whole = beside if label is None else label
    if whole.split()[0] in DETECTORS:
        detector, size, name = whole.split()
        ratio = float(size.rstrip("x"))
    if whole.split()[0] in SIZES:
        size, name = whole.split()
        detector, ratio = SIZES[size]
    if label is None:
        return printed()[(detector, 1.0, "teacher", "False", "False")]
    local, reweight = METHODS.get(name, (False, False))
    method = "pointdistiller" if local or reweight else ON_NUSCENES.get(name, name)
    return printed()[(detector, ratio, method, str(local), str(reweight))]


def claims() -> list[tuple[str, Claim]]:
    return [(name, claim) for name, study in named_studies.STUDIES.items() for claim in study().claims]


@pytest.mark.parametrize(("study", "claim"), [pytest.param(s, c, id=f"{s}: {c.text()}") for s, c in claims()])
def test_a_published_gain_is_the_difference_of_two_printed_values(study, claim):
    if claim.published is None:
        assert claim.kind == "same" or claim.source in ("Figure 5", "")
        return
    least = min(value_of(row, row) - value_of(over, row) for row, over in claim.pairs)
    assert claim.published == pytest.approx(least, abs=0.05)
    assert claim.value in (None, claim.published)


def test_every_study_of_the_paper_s_rows_claims_what_the_paper_does():
    assert {name for name, _ in claims()} >= {"ablation", "comparison", "compression", "sensitivity", "nuscenes", "rdd"}
