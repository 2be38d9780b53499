"""The flow diagram: how many participants reached each step, and why the others did not.

Where participants have several scans, scans are what is counted.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from bonecast.reasons import Reason
from bonecast.report.palette import BLUE, GREY, VERMILION
from bonecast.report.style import WIDTH_IN, new_figure, save_figure, style
from bonecast.report.tables import counted, read_table
from bonecast.sessions import scan_id, scan_ids

STEPS = (
    ("found", "Found", "participants in the cohort", ()),
    ("converted", "Indexed and converted", "a CT series chosen and checked", ("ingest", "convert")),
    ("segmented", "Segmented", "vertebrae outlined and named", ("segment",)),
    ("measured", "Measured", "density summarised over enough levels", ("measure",)),
    ("modelled", "Modelled", "in the analysis set", ("model",)),
)
"""Key, title, explanation, and the stages whose exclusions happen on the way there."""

COLUMNS = ("kind", "step", "stage", "reason", "sentence", "n", "participant_ids")
LINE_IN = 0.145
WRAP = 62
BOX_IN = 0.62
GAP_IN = 0.3


@dataclass
class Exclusions:
    """Participants left out at one stage for one reason, by the names of their scans."""

    stage: str
    reason: str
    participant_ids: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """What a person reads."""
        return sentence_of(self.reason)


@dataclass
class Step:
    """One box of the diagram.

    Attributes:
        n: participants, or scans of them, that reached the step.
        left_out: those lost on the way to it, by stage and reason, most frequent first.
        note: what the box says under its title.
    """

    key: str
    title: str
    note: str
    n: int
    left_out: list[Exclusions]


def flow_diagram(
    scans_path: str | Path | None,
    exclusions_path: str | Path | None,
    ledger_path: str | Path | None,
    analysis_set_path: str | Path | None,
    model_exclusions_path: str | Path | None,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Who reached each step, and why the others did not.

    Args:
        scans_path, exclusions_path, ledger_path: None where a table was modelled without scans.
        analysis_set_path, model_exclusions_path: None where nothing is modelled.
    """
    if scans_path is None:
        frame = pd.read_parquet(analysis_set_path)
        steps = table_steps(frame, read_table(model_exclusions_path).to_dict("records"))
    else:
        steps, _ = read_flow(
            scans_path, exclusions_path, ledger_path, analysis_set_path, model_exclusions_path
        )
    rows = flow_rows(steps)
    save_figure(draw_flow(steps), rows, COLUMNS, outputs, dpi)


def read_flow(
    scans_path: str | Path,
    exclusions_path: str | Path,
    ledger_path: str | Path,
    analysis_set_path: str | Path | None = None,
    model_exclusions_path: str | Path | None = None,
) -> tuple[list[Step], list[dict]]:
    """Steps of the flow diagram, and everyone left out with stage, reason and detail.

    Args:
        analysis_set_path, model_exclusions_path: None where nothing is modelled.
    """
    scans = pd.read_parquet(scans_path, columns=["participant_id", "session_id"])
    ids, n_participants = scan_ids(scans), scans["participant_id"].nunique()
    model = read_table(model_exclusions_path) if model_exclusions_path else None
    exclusions = flow_exclusions(ids, read_table(exclusions_path), model)
    frame = None if analysis_set_path is None else pd.read_parquet(analysis_set_path)
    steps = flow_steps(ids, exclusions, None if frame is None else len(frame))
    if n_participants < len(ids):
        steps[0].note = f"scans of {counted(n_participants, 'participant')}"
    ledger = read_table(ledger_path)
    n_series, n_files = (
        int(ledger.loc[ledger["unit"] == u, "n"].sum()) for u in ("series", "file")
    )
    # "series" is its own plural.
    steps[0].note += f"; {n_series:,} series in {counted(n_files, 'file')}"
    note = "" if frame is None else outcome_words(frame)[1]
    steps[-1].note += f", {note}" if note else ""
    return steps, exclusions


def outcome_words(frame: pd.DataFrame) -> tuple[int, str]:
    """Events of an analysis set, and the same in words; 0 and nothing where it is a number."""
    if "event" in frame:
        n = int((frame["event"] == 1).sum())
        return n, f"{n} with a fracture"
    if frame["outcome"].isin([0, 1]).all() and len(frame):
        n = int((frame["outcome"] == 1).sum())
        return n, f"{n} with the diagnosis"
    return 0, ""


def table_steps(frame: pd.DataFrame, exclusions: Sequence[dict]) -> list[Step]:
    """Steps of a table that was modelled without scans.

    Args:
        frame: the analysis set.
        exclusions: dicts with participant_id, stage and reason; of a patient left out for several
            reasons the first counts.
    """
    lost: dict[tuple[str, str], Exclusions] = {}
    seen = set(frame["participant_id"])
    for row in exclusions:
        if row["participant_id"] not in seen:
            seen.add(row["participant_id"])
            key = (row["stage"], row["reason"])
            lost.setdefault(key, Exclusions(*key)).participant_ids.append(row["participant_id"])
    steps = [
        Step("found", "In the table", "patients", len(seen), []),
        Step("modelled", "Modelled", "in the analysis set", len(frame), _commonest_first(lost)),
    ]
    events, words = outcome_words(frame)
    if "event" in frame:
        deaths = int((frame["event"] == 2).sum())
        censored = len(frame) - events - deaths
        note = f"{deaths:,} died before; {censored:,} censored"
        steps.append(Step("events", "Fractured in follow-up", note, events, []))
    elif words:
        note = f"{len(frame) - events:,} without it"
        steps.append(Step("events", "With the diagnosis", note, events, []))
    return steps


def _commonest_first(lost: Mapping[tuple[str, str], Exclusions]) -> list[Exclusions]:
    return sorted(lost.values(), key=lambda group: (-len(group.participant_ids), group.reason))


def flow_exclusions(
    scans: Sequence[str], exclusions: pd.DataFrame, model_exclusions: pd.DataFrame | None
) -> list[dict]:
    """The first exclusion of each scan.

    The models list everyone they leave out, also those whose scan was excluded before and
    people of the clinical table who are not in the cohort: neither is lost in modelling.
    """
    rows = exclusions.to_dict("records")
    left = set(scans) - {name_of(row) for row in rows}
    if model_exclusions is not None:
        rows += [row for row in model_exclusions.to_dict("records") if name_of(row) in left]
    return rows


def name_of(row: Mapping) -> str:
    """Name of the scan that a row of a table of exclusions is of."""
    return scan_id(row["participant_id"], row.get("session_id", ""))


def sentence_of(reason: str) -> str:
    """Sentence of a reason code."""
    return Reason(reason).sentence


def flow_steps(
    scans: Sequence[str],
    exclusions: Sequence[dict],
    n_modelled: int | None = None,
) -> list[Step]:
    """Count who reached each step.

    Args:
        scans: names of those of the cohort.
        exclusions: dicts with participant_id, session_id, stage and reason, of all stages.
        n_modelled: rows of the analysis set, None where nothing was modelled.

    Raises:
        ValueError: a scan is excluded twice, unknown, excluded at an unknown stage, or
            the analysis set is not what the exclusions leave.
    """
    cohort = set(scans)
    lost: dict[tuple[str, str], Exclusions] = {}
    seen: set[str] = set()
    stages = [stage for *_, stages in STEPS for stage in stages]
    for row in exclusions:
        name, stage, reason = name_of(row), row["stage"], row["reason"]
        if name not in cohort or name in seen or stage not in stages:
            raise ValueError(f"exclusion of {name} at stage {stage}: unknown, or counted twice")
        seen.add(name)
        lost.setdefault((stage, reason), Exclusions(stage, reason)).participant_ids.append(name)

    steps: list[Step] = []
    n = len(scans)
    for key, title, note, stages in STEPS:
        if key == "modelled" and n_modelled is None:
            continue
        groups = _commonest_first({key: lost[key] for key in lost if key[0] in stages})
        n -= sum(len(group.participant_ids) for group in groups)
        steps.append(Step(key, title, note, n, groups))
    if n_modelled is not None and n != n_modelled:
        raise ValueError(f"{n} scans should be in the analysis set, {n_modelled} are")
    return steps


def flow_rows(steps: Sequence[Step]) -> list[dict]:
    """The diagram as a table: one row per step and per reason."""
    rows = []
    for step in steps:
        rows.extend(
            {
                "kind": "excluded",
                "step": step.key,
                "stage": group.stage,
                "reason": group.reason,
                "sentence": group.sentence,
                "n": len(group.participant_ids),
                "participant_ids": " ".join(group.participant_ids),
            }
            for group in step.left_out
        )
        rows.append({"kind": "step", "step": step.key, "n": step.n})
    return rows


def draw_flow(steps: Sequence[Step]) -> Figure:
    """Boxes downwards for those who stayed, boxes to the right for those who did not."""
    texts = [_side_text(step) for step in steps]
    heights = [len(text) * LINE_IN + 0.2 if text else 0.0 for text in texts]
    gaps = [max(GAP_IN, height + 0.16) for height in heights]
    total = sum(gaps[1:]) + len(steps) * BOX_IN + 0.1
    with style():
        figure = new_figure(total, layout=None)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH_IN), ylim=(0, total))
        axes.axis("off")
        main_x, main_w, side_x, side_w = 0.1, 2.75, 3.3, WIDTH_IN - 3.4
        y = total - 0.05
        for i, step in enumerate(steps):
            if i:
                middle = main_x + main_w / 2
                _arrow(axes, (middle, y), (middle, y - gaps[i]))
                if texts[i]:
                    side_y = y - gaps[i] / 2
                    _arrow(axes, (middle, side_y), (side_x, side_y))
                    bottom = side_y - heights[i] / 2
                    _box(axes, side_x, bottom, side_w, heights[i], VERMILION)
                    _write_lines(axes, side_x + 0.1, bottom + heights[i] - 0.1, texts[i])
                y -= gaps[i]
            _box(axes, main_x, y - BOX_IN, main_w, BOX_IN, BLUE)
            axes.text(main_x + 0.12, y - 0.22, step.title, weight="bold", size=9, va="center")
            axes.text(main_x + 0.12, y - 0.43, step.note, size=7, va="center", color=GREY)
            axes.text(
                main_x + main_w - 0.12,
                y - 0.22,
                f"n = {step.n:,}",
                size=9,
                va="center",
                ha="right",
                weight="bold",
            )
            y -= BOX_IN
    return figure


def _side_text(step: Step) -> list[tuple[str, bool]]:
    """Lines of an exclusion box, each with whether it is bold."""
    if not step.left_out:
        return []
    total = sum(len(group.participant_ids) for group in step.left_out)
    lines = [(f"Left out: n = {total:,}", True)]
    for group in step.left_out:
        wrapped = textwrap.wrap(f"{len(group.participant_ids):,}  {group.sentence}", WRAP)
        lines.extend((line if j == 0 else f"    {line}", False) for j, line in enumerate(wrapped))
    return lines


def _write_lines(axes, x: float, top: float, lines: list[tuple[str, bool]]) -> None:
    for j, (line, bold) in enumerate(lines):
        weight = "bold" if bold else "normal"
        axes.text(x, top - (j + 0.5) * LINE_IN, line, size=7.5, va="center", weight=weight)


def _box(axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    shape = FancyBboxPatch(
        (x, y),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.05",
        facecolor="white",
        edgecolor=colour,
        linewidth=1.1,
    )
    axes.add_patch(shape)


def _arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "color": GREY, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=look)
