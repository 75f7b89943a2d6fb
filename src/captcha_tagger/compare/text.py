"""Differences as text for a terminal."""

from collections.abc import Iterable

from captcha_tagger.compare.differences import Differences, LabelPair, Score

NONE = "-"


def format_differences(found: Differences) -> str:
    """Metrics and params in columns, then the labels, then the images and the test."""
    rows = [
        ("", found.a.name, found.b.name),
        *((pair.name, _describe(pair.a), _describe(pair.b)) for pair in found.metrics),
        *((pair.name, pair.a or NONE, pair.b or NONE) for pair in found.params),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    better = [pair for pair in reversed(found.labels) if pair.change > 0]
    worse = [pair for pair in found.labels if pair.change < 0]
    lines += [
        "",
        f"labels with a better F1 in {found.b.name}: {_list(better)}",
        f"labels with a worse F1 in {found.b.name}: {_list(worse)}",
        _conclude(found),
    ]
    return "\n".join(lines)


def _describe(score: Score | None) -> str:
    """`0.9823 (0.9787 to 0.9871)`: the value and its 95 % interval."""
    return f"{score.value:.4f} ({score.low:.4f} to {score.high:.4f})" if score else NONE


def _list(labels: Iterable[LabelPair]) -> str:
    return ", ".join(f"{pair.label} {pair.a:.3f} -> {pair.b:.3f}" for pair in labels) or "none"


def _conclude(found: Differences) -> str:
    a, b = found.a, found.b
    scored = f"{a.name} was scored on {len(a.answers)} images, {b.name} on {len(b.answers)}"
    if found.p is None:
        return f"{scored}, none of them the same: no paired test, the intervals are all there is"
    verdict = "no more than chance would give" if found.by_chance else "more than chance"
    conclusion = (
        f"of the {found.shared} validation images that both have, only {a.name} has "
        f"{len(found.broken)} right and only {b.name} {len(found.mended)}: {verdict} "
        f"(McNemar's exact test on {found.judged}, p = {found.p:.3g})"
    )
    return conclusion if found.same_images else f"{conclusion}\n{scored}"
