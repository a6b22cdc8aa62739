"""What papers claim, as claims about the rows of our studies: moderate 3D mAP, on nuScenes its detection score.

PointDistiller (Zhang et al., CVPR 2023): Tables 2 to 5, Figure 5; RDD (Li et al., ICCV 2023): Table 3 and the ablation
of its terms. Their numbers come from single runs. `published` is the
difference of two printed values; what it draws from it in words (a component, a method or a size helps, and by how
much) is the value that is claimed, and where it only ranks rows, a gain at all.
"""

from study.nouns.claims import Claim

EARLIER = {
    "fitnet": 0.0, "attention_transfer": 0.8, "se_ssd": 1.2, "similarity_preserving": 0.9, "crd": 0.0, "ofd": 1.4,
    "fbkd": 1.5,
}  # fmt: skip
"""What each method of Table 3 gains over the student there."""


def of_table_5() -> tuple[Claim, ...]:
    """Local distillation and reweighted learning each help, and both together more."""
    return (
        _gain("LD", "student", 2.5, "Table 5"),
        _gain("RL", "student", 1.9, "Table 5"),
        _gain("LD + RL", "student", 3.4, "Table 5"),
        _at_all("LD + RL", "LD", 0.9, "Table 5"),
        _at_all("LD + RL", "RL", 1.5, "Table 5"),
        Claim(kind="teacher", row="LD + RL", published=1.8, source="Tables 2 and 5"),
    )


def in_short() -> tuple[Claim, ...]:
    """PointDistiller helps, as much as printed and at all, more than imitating a whole map does, which helps too."""
    return (
        _gain("LD + RL", "student", 3.4, "Table 3"),
        _at_all("LD + RL", "student", 3.4, "Table 3"),
        _at_all("LD + RL", "fitnet", 3.4, "Table 3"),
        _at_all("fitnet", "student", 0.0, "Table 3"),
        Claim(kind="teacher", row="LD + RL", published=1.8, source="Table 3"),
    )


def of_table_3() -> tuple[Claim, ...]:
    """Every method helps at all, PointDistiller by 3.4; it is the best of the earlier ones by 1.9."""
    ours = "pointdistiller"
    return (
        *(_at_all(method, "student", printed, "Table 3") for method, printed in EARLIER.items()),
        _gain(ours, "student", 3.4, "Table 3"),
        Claim(kind="best", row=ours, over=tuple(EARLIER), value=1.9, published=1.9, source="Table 3"),
        Claim(kind="teacher", row=ours, published=1.8, source="Table 3"),
    )


def of_figure_5() -> tuple[Claim, ...]:
    """K and N hardly matter: other values are within 1 of K = 128 with N = 6000, and the ends still help."""
    ks, ns = (tuple(f"K = {k}" for k in (16, 32, 64, 256)), tuple(f"N = {n}" for n in (1500, 3000, 9000, 12000)))
    flat = [Claim(kind="same", row="K = 128", over=rows, source="Figure 5") for rows in (ks, ns)]
    ends = [Claim(row=rows[at], over=("student",), source="Figure 5") for rows in (ks, ns) for at in (0, -1)]
    return (*flat, *ends)


def of_tables_1_and_2() -> tuple[Claim, ...]:
    """Every detector and size gains what Table 2 prints; the students of 4x compression stand above their teachers."""
    gains = {
        "pointpillars 4x": 3.4, "pointpillars 16x": 1.4, "second 4x": 1.5, "second 16x": 2.9, "pointrcnn 8x": 1.0,
        "pointrcnn 16x": 1.3,
    }  # fmt: skip
    return (
        *(_gain(f"{size} PointDistiller", f"{size} student", gain, "Table 2") for size, gain in gains.items()),
        Claim(kind="teacher", row="pointpillars 4x PointDistiller", published=1.8, source="Table 2"),
        Claim(kind="teacher", row="second 4x PointDistiller", published=0.1, source="Table 2"),
    )


def of_table_4() -> tuple[Claim, ...]:
    """PointDistiller helps both sizes on nuScenes."""
    return (
        _at_all("2x PointDistiller", "2x student", 0.5, "Table 4"),
        _gain("4x PointDistiller", "4x student", 1.3, "Table 4"),
    )


def of_rdd() -> tuple[Claim, ...]:
    """RDD helps every size, more than distilling predictions at pivotal positions, and by each of its terms alone."""
    table, terms = "RDD, Table 3", "RDD, ablation"
    return (
        _gain("S RDD", "S student", 2.9, table),
        _at_all("XS RDD", "XS student", 0.3, table),
        _gain("XXS RDD", "XXS student", 2.4, table),
        _at_all("S RDD", "S SparseKD", 0.7, table),
        _at_all("XS RDD", "XS SparseKD", 0.4, table),
        _at_all("XXS RDD", "XXS SparseKD", 0.1, table),
        Claim(kind="teacher", row="S RDD", published=0.3, source=table),
        _gain("S RDD-F", "S student", 1.9, terms),
        _gain("S RDD-L", "S student", 2.2, terms),
        _at_all("S RDD", "S RDD-F", 1.0, terms),
        _at_all("S RDD", "S RDD-L", 0.7, terms),
    )


def on_drives() -> tuple[Claim, ...]:
    """PointDistiller and RDD each help at all; no paper prints it of such students."""
    return tuple(Claim(row=row, over=("student",)) for row in ("PointDistiller", "RDD"))


def _gain(row: str, over: str, value: float, source: str) -> Claim:
    return Claim(row=row, over=(over,), value=value, published=value, source=source)


def _at_all(row: str, over: str, published: float, source: str) -> Claim:
    return Claim(row=row, over=(over,), published=published, source=source)
