"""RDD in Python floats: one pair, one place and one channel at a time, from the formula.

Maps have cells of `CELL` m, the first one's center at (0, 0); heads have codes that are boxes.
"""

import math

import predicted
import torch

from trainables.features import Features

LINES, COLUMNS, CELL = 9, 11, 0.8


def reference(method, student: Features, teacher: Features) -> dict[str, float]:
    """Both losses and what is told, one number at a time."""
    options = method.options
    found, told = [], {"kd_teacher_regions": 0.0, "kd_student_regions": 0.0}
    for scan in range(2):
        own = {name: proposals(read, scan, options) for name, read in (("teacher", teacher), ("student", student))}
        for name, anchors in own.items():
            told[f"kd_{name}_regions"] += len(anchors) / 2
        sources = {"both": ("teacher", "student")}.get(options.sources, (options.sources,))
        found.append([(read.predictions.codes[scan, anchor].tolist(), anchor)
                      for name, read in (("teacher", teacher), ("student", student)) if name in sources
                      for anchor in own[name]])  # fmt: skip
    ours, theirs = ([cells(read.neck.values[scan]) for scan in range(2)] for read in (student, teacher))
    if options.align == "before":
        ours = through(
            method.adapter, ours, [(b, y, x) for b in range(2) for y in range(LINES) for x in range(COLUMNS)]
        )
    mine, its = [], []
    for scan, pairs in enumerate(found):
        for box, _ in pairs:
            at = places(box, options)
            mine.append(softened([between(ours[scan], *place) for place in at], options))
            its.append(softened([between(theirs[scan], *place) for place in at], options))
    if options.align == "after":
        every = [(r, p) for r in range(len(mine)) for p in range(options.grid**2)]
        mine = through(method.adapter, mine, every)
    away = [
        math.sqrt(sum((a - b) ** 2 for p, q in zip(s, t, strict=True) for a, b in zip(p, q, strict=True)))
        for s, t in zip(mine, its, strict=True)
    ]
    feature = logit = counted = number = 0.0
    for scan, pairs in enumerate(found):
        own = range(int(number), int(number) + len(pairs))
        number += len(pairs)
        ranked = sorted(own, key=lambda i: -away[i])[: max(1, round(options.share * len(pairs)))]
        for i, (_, anchor) in zip(own, pairs, strict=True):
            m = {
                "all": True, "fraction": i in ranked, "distance": away[i] > options.threshold,
                "correlation": 1 - pearson(mine[i], its[i]) > options.threshold,
            }[options.select]  # fmt: skip
            counted += m
            feature += m * away[i] / len(pairs) / 2
            logit += m * apart(student, teacher, scan, anchor, options) / len(pairs) / 2
    told |= {"kd_selected": counted / number, "kd_distance": sum(away) / number}
    return {"kd_feature_loss": options.feature_weight * feature, "kd_logit_loss": options.logit_weight * logit, **told}


def proposals(features: Features, scan: int, options) -> list[int]:
    scores = [[predicted.sigmoid(x) for x in anchor] for anchor in features.predictions.logits[scan].tolist()]
    boxes = features.predictions.codes[scan].tolist()
    best = sorted((a for a in range(len(boxes)) if max(scores[a]) >= options.score), key=lambda a: -max(scores[a]))
    kept: list[int] = []
    for anchor in best[: options.most]:
        label = scores[anchor].index(max(scores[anchor]))
        rivals = [a for a in kept if scores[a].index(max(scores[a])) == label]
        if all(predicted.overlap(boxes[a][:7], boxes[anchor][:7]) <= options.overlap for a in rivals):
            kept.append(anchor)
    return kept


def cells(values):
    """C x H x W to values[line][column][channel]."""
    return values.permute(1, 2, 0).tolist()


def through(adapter, nested, every):
    """Convolution, batch norm over all places named in `every`, ReLU; of lists of lists of channels."""

    def at(where):
        found = nested
        for index in where:
            found = found[index]
        return found

    weight = adapter[0].weight.squeeze(2).tolist()
    scale, shift = adapter[1].weight.tolist(), adapter[1].bias.tolist()
    rows = [[sum(w * v for w, v in zip(line, at(where), strict=True)) for line in weight] for where in every]
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    spreads = [sum((v - m) ** 2 for v in c) / len(rows) for c, m in zip(zip(*rows, strict=True), means, strict=True)]
    out = iter(
        [max(0.0, (v - m) / math.sqrt(s + 1e-5) * a + b)
         for v, m, s, a, b in zip(row, means, spreads, scale, shift, strict=True)]
        for row in rows
    )  # fmt: skip

    def again(found, depth):
        return [again(each, depth - 1) for each in found] if depth else next(out)

    return again(nested, len(every[0]))


def places(box, options):
    """Columns and lines, the first cell's center being (0, 0)."""
    x, y, _, length, width, _, yaw = box[:7]
    steps = [(i + 0.5) / options.grid - 0.5 for i in range(options.grid)]
    found = []
    for v in steps:
        for u in steps:
            if options.region == "box":
                dx = u * length * math.cos(yaw) - v * width * math.sin(yaw)
                dy = u * length * math.sin(yaw) + v * width * math.cos(yaw)
                found.append(((x + dx) / CELL, (y + dy) / CELL))
            elif options.region == "upright":
                xs, ys = zip(*predicted.corners(box[:7]), strict=True)
                found.append(((x + u * (max(xs) - min(xs))) / CELL, (y + v * (max(ys) - min(ys))) / CELL))
            else:
                side = 2 * max(2, math.floor(radius(length / CELL, width / CELL))) + 1
                column, line = math.floor(x / CELL + 0.5), math.floor(y / CELL + 0.5)
                found.append((column + u * side, line + v * side))
    return found


def radius(length: float, width: float) -> float:
    from mmdet3d.models.utils import gaussian_radius

    return float(gaussian_radius((torch.tensor(length), torch.tensor(width)), min_overlap=0.1))


def between(values, x: float, y: float) -> list[float]:
    """Bilinear; what lies beyond the map is 0."""
    left, low = math.floor(x), math.floor(y)
    total = [0.0] * len(values[0][0])
    for line, b in ((low, low + 1 - y), (low + 1, y - low)):
        for column, a in ((left, left + 1 - x), (left + 1, x - left)):
            if 0 <= line < LINES and 0 <= column < COLUMNS:
                total = [t + a * b * v for t, v in zip(total, values[line][column], strict=True)]
    return total


def softened(patch, options):
    """P x C."""
    if options.normalize == "none":
        return patch
    rows = patch if options.normalize == "channels" else list(zip(*patch, strict=True))
    powers = [[math.exp(v / options.tau) for v in row] for row in rows]
    shares = [[e / sum(row) for e in row] for row in powers]
    return shares if options.normalize == "channels" else [list(place) for place in zip(*shares, strict=True)]


def pearson(one, other) -> float:
    one, other = ([v for place in patch for v in place] for patch in (one, other))
    one, other = ([v - sum(x) / len(x) for v in x] for x in (one, other))
    product = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
    return product / lengths if lengths > 1e-12 else 0.0  # beyond the map a patch is constant


def apart(student: Features, teacher: Features, scan: int, anchor: int, options) -> float:
    heads = (student.predictions, teacher.predictions)
    scores = [[predicted.sigmoid(x) for x in head.logits[scan, anchor].tolist()] for head in heads]
    total = sum(abs(a - b) for a, b in zip(*scores, strict=True))
    if heads[0].angle is None:
        return total
    differences = [a - b for a, b in zip(*(head.codes[scan, anchor].tolist() for head in heads), strict=True)]
    if options.angle == "sine":
        differences[6] = math.sin(differences[6])
    return total + sum(map(abs, differences))
