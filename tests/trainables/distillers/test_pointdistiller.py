"""PointDistiller against a reference written from the formula with loops, and the facts of kd_methods it must keep."""

import math
from dataclasses import replace

import pytest
import torch
from scene import BATCH, pair

from study.nouns.errors import InputError
from trainables.distillers.pointdistiller import PointDistiller
from trainables.features import Features

SCANS = [14, 11]


def build(features, **parameters):
    kind = features[1].rows[0].kind
    given = {"neighbors": 3, "samples": 5, **parameters}
    options = PointDistiller.Parameters(**PointDistiller.complete(given, kind))
    torch.manual_seed(3)
    distiller = PointDistiller(options, *features).double()
    for name, parameter in distiller.named_parameters():  # batch norm's 1 and 0 would hide a mistake
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.2, 1.5)
    return distiller


def loss(distiller, features):
    return distiller(*features, BATCH)["kd_loss"]


def reference(distiller, features, level=0):
    """The formula of one row set, one row, one neighbor and one channel at a time, in Python floats."""
    options = distiller.options
    student, teacher = (f.rows[level] for f in features)
    s, t = student.values.tolist(), teacher.values.tolist()
    scans = [[r for r in range(len(s)) if teacher.scan[r] == b] for b in range(2)]
    groups = scans if options.scope == "scan" else [scans[0] + scans[1]]
    importance = teacher.count.tolist() if options.importance == "points" else [max(row) for row in t]
    chosen = [sorted(g, key=lambda r: -importance[r])[: options.samples] for g in groups]
    if options.local:
        where = t if options.neighbor_space == "feature" else teacher.position.tolist()
        pools = scans if options.neighbor_scope == "scan" else [scans[0] + scans[1]]
        near = [
            [sorted(next(g for g in pools if i in g), key=lambda r, i=i: math.dist(where[i], where[r]))
             [: options.neighbors] for i in c]
            for c in chosen
        ]  # fmt: skip
        ours = graphs(distiller.student_graphs[level], s, chosen, near, options)
        theirs = graphs(distiller.teacher_graphs[level], t, chosen, near, options)
    else:
        weight, bias = distiller.adapters[level].weight.tolist(), distiller.adapters[level].bias.tolist()
        ours = [[[[sum(w * x for w, x in zip(row, s[i], strict=True)) + b for row, b in zip(weight, bias, strict=True)]]
                 for i in c] for c in chosen]  # fmt: skip
        theirs = [[[t[i]] for i in c] for c in chosen]
    totals, every = [], 0.0
    for group, our, their in zip(chosen, ours, theirs, strict=True):
        n = len(group)
        source = [importance[i] for i in group]
        if options.reweight and options.reweight_by == "graph":
            source = [max(max(edge) for edge in graph) for graph in their]
        w = [1.0] * n
        if options.reweight and options.reweight_over == "graphs":
            exponents = [math.exp((x - max(source)) / options.temperature) for x in source]
            w = [n * e / sum(exponents) for e in exponents]
        elif options.reweight and options.reweight_over == "one":
            w = [2.0 if options.scope == "scan" else 1.0] * n
        squares = [[[(a - b) ** 2 for a, b in zip(x, y, strict=True)] for x, y in zip(o, g, strict=True)]
                   for o, g in zip(our, their, strict=True)]  # fmt: skip
        every += sum(q for row in squares for edge in row for q in edge)
        if options.distance == "mse":
            means = [sum(q for edge in row for q in edge) / sum(len(edge) for edge in row) for row in squares]
            totals.append(sum(a * b for a, b in zip(w, means, strict=True)) / n)
        else:
            norms = [sum(math.sqrt(sum(edge)) for edge in row) / len(row) for row in squares]
            totals.append(sum(a * b for a, b in zip(w, norms, strict=True)) / n)
    if options.distance == "frobenius":
        return options.weight * math.sqrt(every)
    return options.weight * sum(totals) / len(totals)


def graphs(convolution, values, chosen, near, options):
    """Edges through the 1x1 convolution, batch norm over all edges of the batch, ReLU, aggregation."""
    center, neighbor = convolution.center.weight.tolist(), convolution.neighbor.weight.tolist()
    out = range(len(center))
    edges = []
    for c, n in zip(chosen, near, strict=True):
        for i, js in zip(c, n, strict=True):
            for j in js:
                x, y = values[i], values[j]
                if options.edge == "difference":
                    y = [a - b for a, b in zip(x, y, strict=True)]
                edges.append([dot(center[o], x) + dot(neighbor[o], y) for o in out])
    scale, shift = convolution.norm.weight.tolist(), convolution.norm.bias.tolist()
    for o in out:
        column = [edge[o] for edge in edges]
        mean = sum(column) / len(column)
        variance = sum((x - mean) ** 2 for x in column) / len(column)
        for edge in edges:
            edge[o] = max(0.0, (edge[o] - mean) / math.sqrt(variance + 1e-5) * scale[o] + shift[o])
    flat = iter(edges)
    result = []
    for c, n in zip(chosen, near, strict=True):
        rows = [[next(flat) for _ in js] for _, js in zip(c, n, strict=True)]
        if options.aggregate == "max":
            rows = [[[max(edge[o] for edge in row) for o in out]] for row in rows]
        elif options.aggregate == "mean":
            rows = [[[sum(edge[o] for edge in row) / len(row) for o in out]] for row in rows]
        result.append(rows)
    return result


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


SWITCHES = [{"local": local, "reweight": reweight} for local in (True, False) for reweight in (True, False)]
SINGLE = [
    {"scope": "batch"}, {"scope": "scan"}, {"neighbor_scope": "scan"}, {"neighbor_scope": "batch"},
    {"edge": "difference"}, {"aggregate": "mean"}, {"aggregate": "none"}, {"distance": "mse"},
    {"distance": "frobenius"}, {"importance": "feature"}, {"neighbor_space": "position"}, {"reweight_by": "graph"},
    {"reweight_over": "one"}, {"reweight_over": "none"}, {"graph_channels": 3}, {"temperature": 0.7},
    {"samples": 100}, {"neighbors": 100}, {"weight": 3.0},
]  # fmt: skip


@pytest.mark.parametrize("parameters", [*SWITCHES, *SINGLE], ids=str)
@pytest.mark.parametrize("form", ["paper", "released"])
def test_pillars_agree_with_the_formula_written_as_loops(form, parameters):
    features = pair(SCANS)
    if form == "released" and parameters.get("samples") == 100:
        parameters = {**parameters, "shortfall": "clamp"}
    distiller = build(features, form=form, **parameters)
    assert loss(distiller, features).item() == pytest.approx(reference(distiller, features), rel=1e-9)


@pytest.mark.parametrize("kind", ["cells", "points"])
@pytest.mark.parametrize("form", ["paper", "released"])
def test_cells_and_points_agree_with_the_formula_written_as_loops(form, kind):
    features = pair(SCANS, kind=kind)
    distiller = build(features, form=form)
    assert loss(distiller, features).item() == pytest.approx(reference(distiller, features), rel=1e-9)


def test_the_released_temperature_leaves_only_the_fullest_pillars():
    features = pair(SCANS)
    support = build(features, form="released")(*features, BATCH)["rows_in_effect"].item()
    most = features[1].rows[0].count.max()
    assert support == pytest.approx((features[1].rows[0].count == most).sum().item(), rel=1e-6)


@pytest.mark.parametrize(("form", "flat"), [("released", True), ("paper", False)])
def test_temperature_has_no_effect_on_cells_in_the_released_form_only(form, flat):
    features = pair(SCANS, kind="cells")
    losses = {round(loss(build(features, form=form, temperature=tau), features).item(), 12) for tau in (0.1, 1, 10)}
    assert (len(losses) == 1) is flat


def test_the_released_form_refuses_fewer_rows_than_samples_and_clamp_takes_them():
    features = pair(SCANS)
    with pytest.raises(InputError, match=r"samples=26 rows .* 25 exist"):
        loss(build(features, form="released", samples=26), features)
    assert loss(build(features, form="released", samples=26, shortfall="clamp"), features) > 0


def test_a_share_of_the_rows_chooses_as_many_as_the_number_does():
    features = pair([10, 10])
    share, number = (loss(build(features, scope="scan", samples=n), features) for n in (0.5, 5))
    assert share == number


def test_random_selection_repeats_with_the_seed_and_leaves_the_global_stream_alone():
    features = pair(SCANS)
    distiller = build(features, selection="random")
    before = torch.random.get_rng_state()
    first = loss(distiller.train(), features)
    distiller.generator.manual_seed(0)
    assert loss(distiller, features) != first or distiller.generator.initial_seed() == 0
    distiller.generator.manual_seed(5)
    one = loss(distiller, features)
    distiller.generator.manual_seed(5)
    assert loss(distiller, features) == one
    assert torch.equal(torch.random.get_rng_state(), before)


def test_importance_by_points_is_refused_where_rows_hold_no_points():
    features = pair(SCANS, kind="points")
    with pytest.raises(InputError, match="importance=points needs voxels"):
        build(features, importance="points")


def test_freezing_the_teachers_graph_leaves_it_without_gradient():
    features = pair(SCANS)
    distiller = build(features, freeze_teacher_graph=True)
    loss(distiller, features).backward()
    assert all(parameter.grad is None for parameter in distiller.teacher_graphs.parameters())
    assert all(parameter.grad is not None for parameter in distiller.student_graphs.parameters())


def test_without_rl_the_released_loss_is_one_norm_over_the_whole_batch():
    features = pair(SCANS, kind="points")
    whole = loss(build(features, form="released", reweight=False), features)
    alone = []
    for scan in (0, 1):  # batch norm over edges would tell scans apart, so the graphs are those of both
        distiller = build(features, form="released", reweight=False, aggregate="none").eval()
        ours, theirs = (only(f, scan) for f in features)
        alone.append(loss(distiller, (ours, theirs)) / distiller.options.weight)
    both = build(features, form="released", reweight=False, aggregate="none").eval()
    assert (loss(both, features) / 5e-4).item() == pytest.approx(math.hypot(*(a.item() for a in alone)))
    assert whole > 0


def only(features, scan):
    of = features.rows[0]
    mine = of.scan == scan
    return Features(rows=(replace(of, values=of.values[mine], scan=of.scan[mine], position=of.position[mine]),))


def test_a_scan_without_rows_and_one_without_chosen_rows_are_left_out():
    features = pair([0, 12])
    for scope in ("scan", "batch"):
        assert loss(build(features, scope=scope), features).isfinite()
    features = pair([3, 12])
    features[1].rows[0].count[:3] = 0
    terms = build(features, scope="batch")(*features, BATCH)
    assert terms["kd_loss"].isfinite()
    assert terms["rows_chosen"] == 5


@pytest.mark.parametrize(
    ("given", "chosen", "there"),
    [
        ({"scope": "scan", "samples": 5}, 5, 12.5),
        ({"scope": "scan", "samples": 12}, 11.5, 12.5),
        ({"scope": "batch", "samples": 20}, 20, 25),
        ({"scope": "batch", "samples": 99}, 25, 25),
        ({"scope": "batch", "samples": 0.2}, 5, 25),
    ],
    ids=str,
)
def test_how_many_rows_were_chosen_of_how_many_is_told_so_that_clamped_runs_can_be_seen(given, chosen, there):
    features = pair(SCANS)
    terms = build(features, **given)(*features, BATCH)
    assert (terms["rows_chosen"].item(), terms["rows_there"].item()) == (chosen, there)


def test_more_cells_than_a_scan_has_are_refused_before_the_training():
    features = pair([14], kind="cells")
    with pytest.raises(InputError, match=r"samples=15 rows of each scan .* 14 cells"):
        build(features, form="released", samples=15)
    build(features, form="released", samples=14)
    build(features, samples=15)
