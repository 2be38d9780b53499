"""How near the pipeline came to what was planted in the demo cohort."""

from pathlib import Path

import numpy as np
import pandas as pd
from sksurv.metrics import concordance_index_censored

from bonecast.images import load


def compare_masks(found: np.ndarray, truth: np.ndarray) -> dict:
    """Names and overlap of the bodies of one scan.

    Args:
        found, truth: VerSe codes of bodies on one grid.

    Returns:
        `right`: every body found lies on the true body of the same name and every true body
        clear of the border is found; `dice`: mean over the true bodies clear of the border.
    """
    inside = np.unique(truth[:, :, 1:-1])
    cut = np.union1d(np.unique(truth[:, :, 0]), np.unique(truth[:, :, -1]))
    whole = [int(c) for c in np.setdiff1d(inside, cut) if c]
    right, dice = True, []
    for code in np.unique(found):
        if code:
            under = np.bincount(truth[found == code])
            right &= len(under) > 1 and int(np.argmax(under[1:])) + 1 == code
    for code in whole:
        a, b = found == code, truth == code
        dice.append(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))
        right &= bool(a.any())
    return {"right": bool(right), "dice": float(np.mean(dice)) if dice else float("nan")}


def measure_agreement(
    vertebrae: pd.DataFrame,
    metrics: pd.DataFrame,
    participants: Path,
    truth: Path,
) -> pd.DataFrame:
    """Agreement of a finished demo run with the truth, one row a quantity.

    Args:
        vertebrae: tables/vertebrae.parquet.
        metrics: models/fracture/metrics.tsv.
        participants: folder of the participants' results.
        truth: demo/truth.

    Returns:
        Columns quantity, value, n (what the value is over).
    """
    people = pd.read_csv(truth / "participants.csv", dtype={"participant_id": str})
    planted = pd.read_csv(truth / "vertebrae.csv", dtype={"participant_id": str})
    both = vertebrae.merge(planted, on=["participant_id", "level"], suffixes=("", "_true"))
    rows = []

    def add(quantity, value, n):
        rows.append({"quantity": quantity, "value": round(float(value), 4), "n": int(n)})

    for roi in ("hu_vol", "hu_circle200", "hu_ellipse"):
        measured = both[both[f"{roi}_mean_hu"].notna()]
        error = measured[f"{roi}_mean_hu"] - measured["trabecular_hu"]
        add(f"{roi}_median_absolute_error_hu", error.abs().median(), len(error))
        add(f"{roi}_mean_error_hu", error.mean(), len(error))
    graded = both[both["genant_grade"].notna()]
    apart = (graded["genant_grade"] - graded["genant_grade_true"]).abs()
    add("genant_grade_within_one_share", (apart <= 1).mean(), len(apart))
    add("genant_grade_exact_share", (apart == 0).mean(), len(apart))
    fractured = graded[graded["genant_grade_true"] >= 2]
    add("fractures_found_share", (fractured["genant_grade"] >= 2).mean(), len(fractured))
    for height in ("anterior", "middle", "posterior"):
        error = (both[f"{height}_mm"] - both[f"{height}_mm_true"]).dropna()
        add(f"{height}_height_median_absolute_error_mm", error.abs().median(), len(error))

    masks = [
        compare_masks(
            load(participants / name / "bodies.nii.gz").data,
            load(truth / "bodies" / f"{name}.nii.gz").data,
        )
        for name in people["participant_id"]
        if (participants / name / "bodies.nii.gz").stat().st_size
    ]
    add(
        "scans_with_every_level_right_share",
        sum(m["right"] for m in masks) / len(people),
        len(people),
    )
    add("body_dice_mean", np.nanmean([m["dice"] for m in masks]), len(masks))

    c_true = concordance_index_censored(
        people["event"] == 1, people["time_years"], people["log_hazard"]
    )[0]
    add("c_index_of_true_hazard", c_true, len(people))
    main = metrics["learner"].isin(["penalised_cox", "supplied_score"])
    main &= metrics["design"] == "repeated_nested_cv"
    c_index = metrics[main & (metrics["metric"] == "c_index")]
    for row in c_index.itertuples():
        add(f"c_index_{row.block}", row.value, row.n)
    return pd.DataFrame(rows)
