"""Which networks are worth their time: those that no other one beats in time and accuracy."""

from collections.abc import Mapping, Sequence

from mnv4_vision.core.charts import new_figure, png

__all__ = ["draw_pareto", "pareto_front"]

Point = tuple[str, float, float]  # name, cost, value
PANEL_INCHES = (7.5, 5.5)
FRONT, DOMINATED = "tab:blue", "0.65"


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Return the places of the points that no other one dominates, by rising cost.

    Args:
        points: (name, cost, value); a point dominates one that costs no less and is worth no more,
            and differs from it.
    """
    front = [
        index
        for index, (_, cost, value) in enumerate(points)
        if not any(c <= cost and v >= value and (c, v) != (cost, value) for _, c, v in points)
    ]
    return sorted(front, key=lambda index: points[index][1])


def draw_pareto(panels: Mapping[str, Sequence[Point]]) -> bytes:
    """Draw top-1 over milliseconds for each setting, as PNG.

    Args:
        panels: Title of each setting: (name, milliseconds an image, top-1 in percent).
    """
    width, height = PANEL_INCHES
    figure = new_figure(width * len(panels), height)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, points) in zip(all_axes, panels.items(), strict=True):
        front = pareto_front(points)
        best = [points[index] for index in front]
        axes.plot([p[1] for p in best], [p[2] for p in best], color=FRONT, linewidth=1, zorder=1)
        for index, (name, cost, value) in enumerate(points):
            colour = FRONT if index in front else DOMINATED
            axes.scatter(cost, value, s=28, color=colour, zorder=2)
            weight = "bold" if index in front else "normal"
            ink = "black" if index in front else "0.45"
            axes.annotate(
                name, (cost, value), xytext=(5, -9), textcoords="offset points",
                fontsize=7.5, color=ink, weight=weight,
            )  # fmt: skip
        _label(axes, title)
    return png(figure)


def _label(axes: object, title: str) -> None:
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    axes.set(xscale="log", xlabel="ms per image", ylabel="ImageNet top-1, %", title=title)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.22, y=0.1)  # names stand to the right of their points
    axes.set_xticks(_ticks(*axes.get_xlim()))
    axes.grid(alpha=0.3)


def _ticks(low: float, high: float) -> list[float]:
    steps = [step * 10.0**power for power in range(-3, 5) for step in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]
