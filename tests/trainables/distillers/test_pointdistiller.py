"""PointDistiller against a reference written from the formula with loops, and the facts of kd_methods it must keep."""

import math
from dataclasses import replace

import pytest
import torch
from scene import BATCH, pair, rows

from study.nouns.errors import InputError
from trainables.costs.paper_way import ADAPTERS
from trainables.distillers.parts.neighbor_graphs import neighbors_of
from trainables.distillers.parts.row_selection import choose, select
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


def reference(distiller, features):
    """The formula, one row, one neighbor and one channel at a time, in Python floats."""
    options = distiller.options
    student, teacher = (f.rows[0] for f in features)
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
        ours = graphs(distiller.student_graphs[0], s, chosen, near, options)
        theirs = graphs(distiller.teacher_graphs[0], t, chosen, near, options)
    else:
        weight, bias = distiller.adapters[0].weight.tolist(), distiller.adapters[0].bias.tolist()
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


CHOICES = [
    ("top", 8, [19, 18, 17, 16, 15, 14, 13, 12]),
    ("bottom", 8, [7, 6, 5, 4, 3, 2, 1, 0]),
    ("mixed", 8, [19, 18, 17, 16, 3, 2, 1, 0]),
    ("mixed", 5, [19, 18, 17, 1, 0]),
    ("mixed", 40, list(range(19, -1, -1))),
]


@pytest.mark.parametrize(("selection", "n", "rows"), CHOICES)
def test_the_selections_without_a_draw_take_the_most_and_the_least_important_rows(selection, n, rows):
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert select(torch.arange(20.0), n, selection, "clamp", generator).tolist() == rows
    assert torch.equal(generator.get_state(), before)


def test_half_of_a_drawn_selection_is_drawn_from_the_rest_and_no_row_twice():
    drawn = [select(torch.arange(20.0), 8, "drawn", "clamp", torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert all(chosen[:4].tolist() == [19, 18, 17, 16] and len(set(chosen.tolist())) == 8 for chosen in drawn)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_of_equally_important_rows_the_first_is_taken():
    assert select(torch.tensor([3.0, 7, 3, 3]), 3, "top", "clamp", torch.Generator()).tolist() == [1, 0, 2]


def test_a_parameter_that_is_not_read_does_not_change_the_key():
    complete = PointDistiller.complete
    assert complete({"local": False, "neighbors": 7}, "pillars") == complete({"local": False}, "pillars")
    assert complete({"reweight": False, "temperature": 7}, "pillars") == complete({"reweight": False}, "pillars")
    flat = {"form": "released"}
    assert complete({**flat, "temperature": 7}, "cells") == complete(flat, "cells")  # weights are constant


def test_completing_twice_changes_nothing():
    for given in ({}, {"form": "released"}, {"form": "released", "reweight": False}, {"local": False}):
        for kind in ("pillars", "cells", "points"):
            once = PointDistiller.complete(given, kind)
            assert PointDistiller.complete(once, kind) == once


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


@pytest.mark.parametrize("kind", ["pillars", "cells", "points"])
@pytest.mark.parametrize("form", ["paper", "released"])
def test_every_form_has_a_value_for_everything_whatever_the_rows(form, kind):
    whole = PointDistiller.complete({"form": form}, kind)
    unread = (
        {"temperature", "reweight_by"} if (form, kind) in (("released", "cells"), ("released", "points")) else set()
    )
    assert whole.keys() == PointDistiller.Parameters.model_fields.keys() - unread
    assert None not in whole.values()


def test_the_defaults_that_parameters_show_are_those_of_the_paper_for_pillars():
    assert PointDistiller.complete({}, "pillars") == PointDistiller.Parameters().model_dump()


RELEASED = [
    # detector and compression: rows' widths of student and teacher, per level, graph's width; K, N of what, tau
    ("pillars", [(32, 64)], [32], {"neighbors": 128, "samples": 6000, "scope": "batch", "temperature": 1e-2}),
    ("pillars", [(16, 64)], [16], {"neighbors": 128, "samples": 6000, "scope": "batch", "temperature": 1e-2}),
    ("cells", [(64, 128), (128, 256)], [32, 32], {"neighbors": 128, "samples": 256, "scope": "scan"}),
    ("cells", [(32, 128), (64, 256)], [32, 32], {"neighbors": 128, "samples": 256, "scope": "scan"}),
    ("points", [(45, 128)], [45], {"neighbors": 128, "samples": 6000, "scope": "scan", "aggregate": "max"}),
    ("points", [(32, 128)], [32], {"neighbors": 128, "samples": 6000, "scope": "scan", "aggregate": "max"}),
]
NAMES = ["PointPillars 4x", "PointPillars 16x", "SECOND 4x", "SECOND 16x", "PointRCNN 8x", "PointRCNN 16x"]


@pytest.mark.parametrize("reweight", [True, False], ids=["RL", "no RL"])
@pytest.mark.parametrize(("kind", "widths", "graphs", "values"), RELEASED, ids=NAMES)
def test_the_released_form_is_what_the_code_does_for_each_detector_compression_and_switch(
    kind, widths, graphs, values, reweight
):
    whole = PointDistiller.complete({"form": "released", "reweight": reweight}, kind)
    loss = {"distance": "mse", "weight": 2.0} if reweight else {"distance": "frobenius", "weight": 5e-4}
    values = values if reweight else {name: value for name, value in values.items() if name != "temperature"}
    for name, value in {**values, **loss, "shortfall": "raise", "teacher_mode": "train", "edge": "concat"}.items():
        assert whole[name] == value, name
    narrow, wide = (
        Features(rows=tuple(rows(pair[side], SCANS, kind=kind, dtype=torch.float32) for pair in widths))
        for side in (0, 1)
    )
    given = {"form": "released", "reweight": reweight, "samples": 5}
    distiller = PointDistiller(PointDistiller.Parameters(**PointDistiller.complete(given, kind)), narrow, wide)
    for convolutions in (distiller.student_graphs, distiller.teacher_graphs):
        assert [graph.norm.num_features for graph in convolutions] == graphs


def test_the_released_graphs_are_as_wide_as_the_adapters_that_the_paper_counts():
    for name, (_, widths, graphs, _) in zip(NAMES, RELEASED, strict=True):
        detector, ratio = name.lower().split()
        counted = ADAPTERS[detector, float(ratio[:-1])]
        if name != "PointPillars 4x":  # the paper counts it with SECOND's
            expected = [(pair[side], width) for side in (1, 0) for pair, width in zip(widths, graphs, strict=True)]
            assert sorted(counted) == sorted(expected), name


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


def test_n_rows_of_a_batch_are_its_most_important_and_their_neighbors_lie_in_their_own_scans():
    features = pair(SCANS)
    importance, scan = features[1].rows[0].count, features[1].rows[0].scan
    chosen = choose([importance], [scan], 2, "batch", lambda i: select(i, 9, "top", "clamp", torch.Generator()))[0]
    assert set(chosen.rows.tolist()) == set(importance.argsort(descending=True, stable=True)[:9].tolist())
    assert chosen.per_scan == torch.bincount(scan[chosen.rows], minlength=2).tolist()
    assert chosen.starts == [0, 14, 25]
    near = neighbors_of(chosen, features[1].rows[0], 20, "scan", "feature")
    assert [each.shape for each in near] == [(chosen.per_scan[0], 14), (chosen.per_scan[1], 11)]
    assert [sorted(set(scan[each].flatten().tolist())) for each in near] == [[0], [1]]


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


@pytest.mark.parametrize("bad", [{"neighbors": 0}, {"temperature": 0}, {"temperature": -1}, {"samples": 0},
                                 {"samples": 2.5}, {"form": "upstream"}, {"neighbours": 3}], ids=str)  # fmt: skip
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        PointDistiller.complete(bad, "pillars")
