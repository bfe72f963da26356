"""The picture to the tables of calls and of their growth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from benchmarks.sections import calls, growth

OURS, OTHERS = "#0b6e4f", "#9aa5b1"
LINES = {"tilia": OURS, "aiohttp": "#c05621", "httpx": "#4a5568"}


def draw(series: Mapping[str, Sequence[float]], path: Path) -> None:
    """Write it as SVG, the same for the same figures."""
    with mpl.rc_context({"svg.hashsalt": "tilia", "font.size": 9}):
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_calls(left, series)
        draw_growth(right, series)
        figure.savefig(path, metadata={"Date": None})


def is_whole(series: Mapping[str, Sequence[float]]) -> bool:
    """Return True if all is measured that it shows."""
    first = (growth.series_name(contender, growth.IN_FLIGHT[0]) for contender in growth.CONTENDERS)
    return any(name in series for name in first) and any(
        map(series.__contains__, map(calls.series_name, calls.GETTING))
    )


def draw_calls(axes: Axes, series: Mapping[str, Sequence[float]]) -> None:
    costs = {
        contender: median(series[calls.series_name(contender)])
        for contender in reversed(calls.GETTING)
        if calls.series_name(contender) in series
    }
    names = [
        f"{contender.module}, {'threads' if contender.module in calls.THREADED else contender.loop}"
        for contender in costs
    ]
    colours = [OURS if contender.module == "tilia" else OTHERS for contender in costs]
    bars = axes.barh(names, list(costs.values()), color=colours)
    axes.bar_label(bars, fmt=" {:.0f}")
    axes.set_xlim(right=1.15 * max(costs.values()))
    axes.set_title(f"Processor time of a call, {calls.IN_FLIGHT} in flight")
    axes.set_xlabel("µs")
    axes.spines[["top", "right"]].set_visible(False)


def draw_growth(axes: Axes, series: Mapping[str, Sequence[float]]) -> None:
    for contender in growth.CONTENDERS:
        if growth.series_name(contender, growth.IN_FLIGHT[0]) not in series:
            continue
        costs = [median(series[growth.series_name(contender, n)]) for n in growth.IN_FLIGHT]
        axes.plot(growth.IN_FLIGHT, costs, marker="o", color=LINES[contender.module], label=contender.module)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(growth.IN_FLIGHT, [f"{n:,}" for n in growth.IN_FLIGHT])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_title("Growth with the calls in flight, asyncio")
    axes.set_xlabel("calls in flight")
    axes.set_ylabel("µs of processor (logarithmic)")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
