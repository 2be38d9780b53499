"""The figure of docs/benchmarks.md: ratios of all contests, and where a run's time goes."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from summary import SNAKEMAKE, WHOLE, Line, Step, number

from bonecast.report.palette import BLUE, GREY, ORANGE, SKY, VERMILION
from bonecast.report.style import new_figure, style

MEASURES = (
    ("cpu_times", "CPU seconds", "o", BLUE, BLUE, -0.14),
    ("wall_times", "wall seconds", "s", "white", VERMILION, 0.14),
)
PARTS = {
    "segmentation": "segmentation",
    "measure": "measuring",
    "radiomics": "radiomics",
    "models": "models",
}
ROW_IN = 0.2
LABELS_PT = 190
"""Width that the names of the rows take."""


def draw(found: Sequence[Line], listed: Sequence[Step], scans: int, folder: Path) -> None:
    """Write <folder>/benchmarks.svg and .png.

    Args:
        found: lines of all contests.
        listed: steps of the whole run; none leaves its panel out.
        scans: of that run.
    """
    compared = [line for line in found if line.cpu_times]
    bars = together(listed, scans)
    heights = [len(compared) * ROW_IN + 0.9, len(bars) * ROW_IN * 0.85 + 0.8]
    panels = [panel for panel, there in ((0, compared), (1, bars)) if there]
    if not panels:
        return
    with style():
        figure = new_figure(sum(heights[panel] for panel in panels))
        axes = figure.subplots(
            len(panels), 1, squeeze=False, height_ratios=[heights[panel] for panel in panels]
        )[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            _ratios(axis, compared) if panel == 0 else _bars(axis, bars, scans)
        folder.mkdir(parents=True, exist_ok=True)
        nothing = {"Date": None, "Creator": None}
        figure.savefig(folder / "benchmarks.svg", metadata=nothing)
        figure.savefig(folder / "benchmarks.png", dpi=200, metadata={"Software": None})


def together(listed: Sequence[Step], scans: int) -> list[tuple[str, float, float]]:
    """Name, CPU seconds before work began and of work; figures of the cohort are one bar."""
    rules = [step for step in listed if step.name != WHOLE]
    figures = [s for s in rules if s.name.startswith("draw_") and s.jobs < scans]
    bars = [
        (f"{step.name}, {step.jobs} jobs" if step.jobs > 1 else step.name, step)
        for step in rules
        if step not in figures
    ]
    found = [(name, step.start_cpu_s, step.cpu_s - step.start_cpu_s) for name, step in bars]
    if figures:
        start = sum(step.start_cpu_s for step in figures)
        work = sum(step.cpu_s for step in figures) - start
        found.append((f"draw_*, {len(figures)} figures of the cohort", start, work))
    return sorted(found, key=lambda bar: -bar[1] - bar[2])


def _ratios(axis, compared: Sequence[Line]) -> None:
    """A dot with its least and largest round for each peer, on a logarithmic axis."""
    part = None
    for place, line in enumerate(compared):
        for name, _, marker, face, edge, shift in MEASURES:
            times = getattr(line, name)
            bounds = [[times.middle - times.least], [times.most - times.middle]]
            axis.errorbar(
                times.middle, place + shift, xerr=bounds, fmt=marker, ms=4, mfc=face, mec=edge,
                ecolor=edge, elinewidth=1, capsize=1.5,
            )  # fmt: skip
        _numbers(axis, place, [number(getattr(line, name[0]).middle) for name in MEASURES])
        if line.part != part and part is not None:
            axis.axhline(place - 0.5, color=GREY, lw=0.4)
        part = line.part
    names = [_name(line) for line in compared]
    axis.set_yticks(range(len(compared)), names)
    axis.set_ylim(len(compared) - 0.5, -0.5)
    axis.set_xscale("log")
    axis.axvline(1, color="black", lw=0.8)
    ticks = [0.3, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500]
    low, high = axis.get_xlim()
    low = min(low, 0.45)
    shown = [tick for tick in ticks if low <= tick <= high]
    axis.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axis.minorticks_off()
    axis.set_xlim(low, high)
    axis.grid(axis="x", lw=0.3, color="#CCCCCC")
    axis.set_xlabel(
        "what the peer takes, times what Bonecast takes (right of 1: Bonecast is faster)"
    )
    _title(axis, "a  Against the peers: median of the rounds, least and largest")
    _numbers(axis, -1.1, ["CPU", "wall"])
    handles = [
        Line2D([], [], ls="", marker=marker, ms=4, mfc=face, mec=edge, label=label)
        for _, label, marker, face, edge, _ in MEASURES
    ]
    axis.legend(handles=handles, loc="upper right")


def _title(axis, text: str) -> None:
    """Above the names of the rows, where there is room for it."""
    axis.annotate(
        text,
        (0, 1),
        (-LABELS_PT, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        fontweight="bold",
    )


def _name(line: Line) -> str:
    """Part, case where the part has several, and peer."""
    what = line.case if line.part == "ingest" else PARTS[line.part]
    device = " on a GPU" if "GPU" in line.case else ""
    return f"{what}{device}: {line.contender}"


def _numbers(axis, place: float, texts: Sequence[str]) -> None:
    """A row of the columns beside the axis."""
    for x, text in zip((1.055, 1.13), texts, strict=True):
        beside = axis.get_yaxis_transform()
        axis.text(x, place, text, va="center", ha="right", fontsize=7, transform=beside)


def _bars(axis, bars: Sequence[tuple[str, float, float]], scans: int) -> None:
    """CPU seconds of each step, what passed before its work began apart."""
    places = range(len(bars))
    start, work = [bar[1] for bar in bars], [bar[2] for bar in bars]
    colours = [GREY if bar[0] == SNAKEMAKE else SKY for bar in bars]
    axis.barh(places, start, color=ORANGE, height=0.7, hatch="///", edgecolor="white", lw=0)
    axis.barh(places, work, left=start, color=colours, height=0.7)
    for place, one, two in zip(places, start, work, strict=True):
        axis.text(one + two, place, f" {number(one + two)}", va="center", fontsize=7)
    axis.set_yticks(places, [bar[0] for bar in bars])
    axis.set_ylim(len(bars) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.set_xlabel("CPU seconds")
    _title(axis, f"b  The whole workflow over {scans} scans of the demo")
    handles = [
        Patch(facecolor=ORANGE, hatch="///", edgecolor="white", label="Python's start, imports"),
        Patch(facecolor=SKY, label="work of the rule"),
        Patch(facecolor=GREY, label="Snakemake's main process"),
    ]
    axis.legend(handles=handles, loc="lower right")
