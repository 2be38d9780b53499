"""Each figure from the files of results it is drawn from to its PDF, PNG and CSV."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bonecast.measure.summaries import span
from bonecast.report import figures_flow, figures_measure, figures_model
from bonecast.report.style import save_figure


def flow_exclusions(
    participant_ids: Sequence[str], exclusions: pd.DataFrame, model_exclusions: pd.DataFrame | None
) -> list[dict]:
    """Each participant's first exclusion.

    The models list everyone they leave out, also those whose scan was excluded before and
    people of the clinical table who are not in the cohort: neither is lost in modelling.
    """
    rows = exclusions.to_dict("records")
    lost = {row["participant_id"] for row in rows}
    cohort = set(participant_ids)
    if model_exclusions is not None:
        rows += [
            row
            for row in model_exclusions.to_dict("records")
            if row["participant_id"] in cohort - lost
        ]
    return rows


def read_flow(
    scans_path: str | Path,
    exclusions_path: str | Path,
    analysis_set_path: str | Path | None = None,
    model_exclusions_path: str | Path | None = None,
) -> tuple[list[figures_flow.Step], list[dict]]:
    """Steps of the flow diagram, and everyone left out with stage, reason and detail.

    Args:
        analysis_set_path, model_exclusions_path: None where nothing is modelled.
    """
    ids = pd.read_parquet(scans_path, columns=["participant_id"])["participant_id"].tolist()
    model = read_table(model_exclusions_path) if model_exclusions_path else None
    exclusions = flow_exclusions(ids, read_table(exclusions_path), model)
    if analysis_set_path is None:
        return figures_flow.flow_steps(ids, exclusions), exclusions
    event = pd.read_parquet(analysis_set_path, columns=["event"])["event"]
    steps = figures_flow.flow_steps(ids, exclusions, len(event), int((event == 1).sum()))
    return steps, exclusions


def flow_diagram(
    scans_path: str | Path,
    exclusions_path: str | Path,
    analysis_set_path: str | Path | None,
    model_exclusions_path: str | Path | None,
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Who reached each step, and why the others did not."""
    steps, _ = read_flow(scans_path, exclusions_path, analysis_set_path, model_exclusions_path)
    rows = figures_flow.flow_rows(steps)
    save_figure(figures_flow.draw_flow(steps), rows, figures_flow.COLUMNS, outputs, dpi)


def example_segmentations(
    scans_path: str | Path,
    pictures: Sequence[str | Path],
    roi: str,
    levels: Sequence[str],
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Quality-control pictures of a few participants of each site.

    Args:
        pictures: qc.png of every participant, in a folder named after the participant.
        roi, levels: name the summary that orders participants.
    """
    hu = f"{roi}_mean_{span(levels)}_hu"
    scans = pd.read_parquet(scans_path, columns=["participant_id", "site", "status", hu])
    by_participant = {Path(path).parent.name: Path(path) for path in pictures}
    chosen = figures_measure.choose_examples(scans, hu)
    for row in chosen:
        row["picture"] = f"{row['participant_id']}/{by_participant[row['participant_id']].name}"
    figure = figures_measure.draw_examples(chosen, by_participant)
    save_figure(figure, chosen, figures_measure.EXAMPLE_COLUMNS, outputs, dpi)


def hu_by_level_and_age(
    vertebrae_path: str | Path,
    scans_path: str | Path,
    analysis_set_path: str | Path | None,
    roi: str,
    levels: Sequence[str],
    outputs: Mapping[str, str],
    dpi: int,
) -> None:
    """Attenuation of each level, and the scan's mean against age.

    Args:
        analysis_set_path: where ages and sexes are taken from first; the rest, or all where
            it is None, come from the headers of the scans.
    """
    scans = pd.read_parquet(scans_path)
    people = pd.DataFrame(
        {
            "age_years": pd.to_numeric(scans["patient_age_years"]).astype(float),
            "sex": scans["patient_sex"],
            "hu": scans[f"{roi}_mean_{span(levels)}_hu"].astype(float),
        }
    ).set_index(scans["participant_id"])
    if analysis_set_path is not None:
        known = pd.read_parquet(analysis_set_path).set_index("participant_id")
        for column in {"age_years", "sex"} & set(known.columns):
            people[column] = known[column].reindex(people.index).combine_first(people[column])
    people = people[(scans["status"] == "ok").to_numpy()]
    figure, rows = figures_measure.hu_by_level_and_age(
        pd.read_parquet(vertebrae_path), people, roi, figures_measure.scope(levels)
    )
    save_figure(figure, rows, figures_measure.LEVEL_AGE_COLUMNS, outputs, dpi)


def kaplan_meier_by_risk_third(
    predictions_path: str | Path, blocks: Sequence[str], outputs: Mapping[str, str], dpi: int
) -> None:
    """Outcome of the thirds of forecast risk of the headline block."""
    predictions = pd.read_parquet(predictions_path)
    present = [block for block in blocks if block in set(predictions["block"])]
    rows: list[dict] = []
    block, horizon = "", None
    if present:
        block = figures_model.headline_block(present)
        people = figures_model.average_risk(predictions, block)
        rows = figures_model.outcome_curves(people)
        horizon = float(people["horizon_years"].iloc[0])
    figure = figures_model.draw_outcome_curves(rows, block, horizon)
    save_figure(figure, rows, figures_model.CURVE_COLUMNS, outputs, dpi)


def block_comparison(
    metrics_path: str | Path, blocks: Sequence[str], outputs: Mapping[str, str], dpi: int
) -> None:
    """C-index and AUC of every block."""
    rows = figures_model.block_rows(read_table(metrics_path), blocks)
    figure = figures_model.draw_blocks(rows)
    save_figure(figure, rows.to_dict("records"), figures_model.BLOCK_COLUMNS, outputs, dpi)


def read_table(path: str | Path) -> pd.DataFrame:
    """A tab-separated table; ids stay text and empty text stays empty."""
    text = {"participant_id": str, "stage": str, "reason": str, "detail": str, "reference": str}
    table = pd.read_csv(path, sep="\t", dtype=text)
    for column in text:
        if column in table:
            table[column] = table[column].fillna("")
    return table
