"""The performance model of some networks as tables and as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mnv4_vision.analysis.roofline import (
    Profile,
    layer_bytes,
    memory_share,
    model_time,
)
from mnv4_vision.core.charts import new_figure, png

__all__ = ["draw_roofline", "layer_rows", "stage_rows", "sweep_rows", "table_rows"]

SWEEP = range(0, 501, 5)  # of the paper's figure, MACs a byte

Row = dict[str, Any]


def layer_rows(profile: Profile, bytes_per_element: float) -> list[Row]:
    """Return a row for every layer; above `intensity` as ridge point it is memory-bound."""
    rows = []
    for stage in profile.stages:
        for layer in stage.layers:
            moved = layer_bytes(layer, bytes_per_element)
            rows.append(
                {
                    "model": profile.name,
                    "stage": stage.name,
                    "layer": layer.name,
                    "kind": layer.kind,
                    "macs": layer.macs,
                    "weights": layer.weights,
                    "inputs": layer.inputs,
                    "outputs": layer.outputs,
                    "bytes": moved,
                    "intensity": round(layer.macs / moved, 3),
                }
            )
    return rows


def stage_rows(
    profile: Profile, ridge_points: Sequence[float], bytes_per_element: float
) -> list[Row]:
    """Return a row for every stage, with its time at each ridge point in 10^6 MACs."""
    return [
        {
            "model": profile.name,
            "stage": stage.name,
            "params": stage.params,
            "macs": stage.macs,
            "weights": sum(layer.weights for layer in stage.layers),
            "activations": sum(layer.inputs + layer.outputs for layer in stage.layers),
        }
        | {
            f"time_at_{point:g}": round(model_time(stage.layers, point, bytes_per_element) / 1e6, 4)
            for point in ridge_points
        }
        for stage in profile.stages
    ]


def sweep_rows(
    profile: Profile, ridge_points: Sequence[float], bytes_per_element: float
) -> list[Row]:
    """Return time (10^6 MACs) and memory-bound share over the ridge points 0 to 500."""
    layers = profile.layers
    return [
        {
            "model": profile.name,
            "ridge_point": f"{point:g}",
            "time": round(model_time(layers, point, bytes_per_element) / 1e6, 4),
            "memory_bound_share": round(memory_share(layers, point, bytes_per_element), 4),
        }
        for point in sorted({*SWEEP, *ridge_points})
    ]


def table_rows(
    profiles: Sequence[Profile], ridge_points: Sequence[float], bytes_per_element: float
) -> list[list[str]]:
    """Return name, px, parameters, MACs and, for each ridge point, time, rank and share."""
    times = {
        point: [model_time(p.layers, point, bytes_per_element) for p in profiles]
        for point in (0, *ridge_points)
    }
    rows = []
    for index, profile in enumerate(profiles):
        size = "x".join(map(str, dict.fromkeys(profile.image_size)))
        row = [profile.name, size, f"{profile.params / 1e6:.2f}", f"{profile.macs / 1e6:.0f}"]
        row.append(_rank(times[0], index))
        for point in ridge_points:
            share = memory_share(profile.layers, point, bytes_per_element)
            row += [
                f"{times[point][index] / 1e6:.0f}",
                _rank(times[point], index),
                f"{100 * share:.0f} %",
            ]
        rows.append(row)
    return rows


def draw_roofline(
    profiles: Sequence[Profile], ridge_points: Sequence[float], bytes_per_element: float
) -> bytes:
    """Draw where each network is memory-bound (left) and its time (right), as PNG."""
    figure = new_figure(13, 2 + 0.33 * max(len(profiles), 6))
    left, right = figure.subplots(1, 2)
    points = np.array(SWEEP)
    bound = np.array(
        [[memory_share(p.layers, point, bytes_per_element) for point in points] for p in profiles]
    )
    step = points[1] / 2
    picture = left.imshow(
        bound, aspect="auto", cmap="coolwarm", vmin=0, vmax=1, interpolation="nearest",
        extent=(-step, points[-1] + step, len(profiles) - 0.5, -0.5),
    )  # fmt: skip
    left.set_yticks(range(len(profiles)), [p.name for p in profiles], fontsize=8)
    left.set_title("share of the time in memory-bound layers", fontsize=10)
    figure.colorbar(picture, ax=left)
    names = _by_last_time(profiles, bytes_per_element)
    for rank, profile in enumerate(names):
        times = [model_time(profile.layers, point, bytes_per_element) / 1e6 for point in points]
        style = ("-", "--", ":")[rank // 10 % 3]
        right.plot(points, times, style, color=f"C{rank % 10}", linewidth=1.3, label=profile.name)
    right.set(yscale="log", ylabel="model time, 10$^6$ MACs")
    right.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    for axes in (left, right):
        axes.set_xlabel("ridge point, MACs per byte")
        axes.set_xlim(0, points[-1])
        for point in ridge_points:
            axes.axvline(point, color="black", linewidth=0.8, linestyle=":")
    return png(figure)


def _by_last_time(profiles: Sequence[Profile], bytes_per_element: float) -> list[Profile]:
    """Order networks as the lines end on the right, the slowest first."""
    return sorted(
        profiles, key=lambda p: model_time(p.layers, SWEEP[-1], bytes_per_element), reverse=True
    )


def _rank(times: Sequence[float], index: int) -> str:
    return str(1 + sum(time < times[index] for time in times))
