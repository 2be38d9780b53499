"""Numbers of the models' figures: those of their tables, of the right model, in the right order."""

import numpy as np
import pandas as pd
import pytest

from bonecast.report.comparison import Comparison
from bonecast.report.figures_model_blocks import MAX_ROWS, block_rows
from bonecast.report.forest import Row, digits_of, numbers
from bonecast.report.tables import main_design

FRACTURE = Comparison(
    "fracture",
    ["hu", "clinical", "multimodal"],
    ["forest", "penalised"],
    ["temporal", "repeated_nested_cv"],
)


def test_the_first_learner_and_the_cross_validation_are_primary():
    table = pd.DataFrame(
        {
            "design": ["repeated_nested_cv", "temporal", "temporal", "temporal", "external"],
            "learner": ["forest", "penalised_cox", "forest", "supplied_score", "forest"],
        }
    )
    assert FRACTURE.primary(table).index.tolist() == [0]
    assert FRACTURE.primary(table[1:]).index.tolist() == [2, 3]
    assert FRACTURE.primary(table, "external").index.tolist() == [4]
    assert FRACTURE.order_designs(table["design"]) == ["temporal", "repeated_nested_cv", "external"]
    learners = ["forest", "penalised_cox", "supplied_score"]
    assert FRACTURE.order_learners(reversed(learners)) == learners


@pytest.mark.parametrize(
    ("designs", "main"),
    [
        (["temporal", "repeated_nested_cv"], "repeated_nested_cv"),
        (["optimism_bootstrap", "temporal", "external"], "temporal"),
        (["optimism_bootstrap"], "optimism_bootstrap"),
        ([], ""),
    ],
)
def test_figures_and_tables_show_the_same_design(designs, main):
    assert main_design(designs) == main


def test_a_learner_that_was_not_fitted_gives_way_to_the_next():
    table = pd.DataFrame(
        {"design": ["temporal"] * 2, "learner": ["supplied_score", "penalised_cox"]}
    )
    assert FRACTURE.primary_learner(table) == "penalised_cox"


def test_blocks_keep_their_order_and_colour_in_every_figure():
    assert FRACTURE.order_blocks(["z_score", "multimodal", "", "hu", "a_score"]) == [
        "hu",
        "multimodal",
        "a_score",
        "z_score",
    ]
    assert FRACTURE.colour("multimodal") == FRACTURE.colour("multimodal", ["hu", "a_score"])
    assert len({FRACTURE.colour(b, ["s"]) for b in ("hu", "clinical", "multimodal", "s")}) == 4


@pytest.mark.parametrize(
    ("endpoint", "metrics"),
    [
        ("fracture", ("c_index", "auc_t")),
        ("osteoporosis", ("auc", "brier")),
        ("bmd", ("r2", "rmse")),
    ],
)
def test_block_comparison_equals_the_metrics(made_up, endpoint, metrics):
    tables = made_up(endpoint, n=80)
    rows, wanted = tables.rows("block_comparison"), tables.table("metrics.tsv")
    wanted = wanted[wanted["metric"].isin(metrics)]
    if endpoint == "fracture":
        wanted = wanted[wanted["horizon_years"].isna() | (wanted["horizon_years"] == 5)]
    assert len(rows) == len(wanted)
    keys = ["design", "block", "learner", "metric"]
    both = rows.merge(wanted, on=keys, suffixes=("", "_wanted"), validate="one_to_one")
    for name in ("value", "lower", "upper"):
        np.testing.assert_allclose(both[name], both[f"{name}_wanted"], rtol=1e-5)
    first = rows[(rows["metric"] == metrics[0]) & (rows["design"] == "repeated_nested_cv")]
    assert list(dict.fromkeys(first["block"])) == [*tables.blocks, "frax_mof_pct"]
    assert list(dict.fromkeys(first["learner"]))[:-1] == list(tables.learners.values())


def test_more_rows_than_a_page_holds_drop_other_learners_of_other_designs():
    blocks, designs = [f"block_{i}" for i in range(8)], ["repeated_nested_cv", "temporal"]
    compared = Comparison(
        "fracture", blocks, ["penalised", "fine_gray", "forest", "boosting"], designs
    )
    keys = [
        {"design": d, "block": b, "learner": k, "metric": "c_index", "horizon_years": np.nan}
        for d in designs
        for b in blocks
        for k in ("penalised_cox", "fine_gray", "forest", "boosting")
    ]
    rows = block_rows(pd.DataFrame(keys).assign(value=0.7), compared)
    assert len(keys) > MAX_ROWS >= len(rows) == 32 + 8
    assert set(rows.loc[rows["design"] == "temporal", "learner"]) == {"penalised_cox"}


def test_differences_are_those_of_the_primary_learner_at_the_longest_horizon(made_up):
    tables = made_up("fracture", n=80)
    rows = tables.rows("block_differences")
    assert list(dict.fromkeys(rows["reference"])) == ["clinical", "frax_mof_pct"]
    assert set(rows["learner"]) == {"penalised_cox"}
    assert set(rows["horizon_years"].dropna()) == {5}
    c_index = rows[(rows["metric"] == "delta_c_index") & (rows["reference"] == "clinical")]
    assert c_index["block"].tolist() == ["hu", "radiomics", "multimodal"]
    assert c_index["value"].tolist() == pytest.approx([0.02, 0.05, 0.08])


def test_roc_carries_the_auc_of_its_panel(made_up):
    tables = made_up("fracture", n=80)
    rows = tables.rows("roc_by_horizon")
    assert len(rows) == 3 * 5 * 101
    metrics = tables.table("metrics.tsv").set_index(["design", "block", "learner", "metric"])
    for horizon, events in ((1, 2), (3, 6), (5, 10)):
        one = rows[(rows["block"] == "hu") & (rows["horizon_years"] == horizon)]
        key = ("repeated_nested_cv", "hu", "penalised_cox", "auc_t")
        wanted = metrics.sort_index().loc[[key]].set_index("horizon_years").loc[horizon]
        assert one["auc"].unique() == pytest.approx([wanted["value"]], rel=1e-5)
        assert set(one["events"]) == {events}
        assert one["false_positive_rate"].is_monotonic_increasing


def test_calibration_shows_the_longest_horizon_and_prints_its_statistics(made_up):
    tables = made_up("fracture", n=80)
    outputs = tables.draw("calibration")
    rows = pd.read_csv(outputs["csv"])
    assert set(rows["horizon_years"]) == {5}
    assert list(dict.fromkeys(rows["block"])) == list(tables.blocks)
    hu = rows[rows["block"] == "hu"].set_index("kind")
    assert hu.loc["histogram", "n"].sum() == 80
    assert len(hu.loc["group"]) == 8
    slope = (
        tables.table("metrics.tsv")
        .query(
            "metric == 'calibration_slope' and block == 'hu' and horizon_years == 5"
            " and learner == 'penalised_cox' and design == 'repeated_nested_cv'"
        )["value"]
        .item()
    )
    assert hu.loc["calibration_slope", "observed"] == pytest.approx(slope, rel=1e-5)
    assert f"slope {slope:.2f} (" in outputs["svg"].read_text(encoding="utf-8")


def test_statistics_are_of_the_design_that_is_drawn(made_up):
    """A design without curves, such as the optimism bootstrap, must not lend its numbers."""
    tables = made_up("fracture", n=80, designs=("optimism_bootstrap", "repeated_nested_cv"))
    for name in ("calibration_curves", "decision_curves"):
        tables.change(f"{name}.tsv", lambda table: table.assign(design="repeated_nested_cv"))
    assert set(tables.rows("calibration")["design"]) == {"repeated_nested_cv"}


def test_decision_curves_end_beyond_the_highest_threshold(made_up):
    tables = made_up("osteoporosis", n=80)
    rows = tables.rows("decision_curves")
    assert rows["threshold"].max() == pytest.approx(0.3)
    assert set(rows["block"]) == {"treat_all", "treat_none", *tables.blocks}


def test_subgroups_are_of_the_headline_block_and_few_events_are_suppressed(made_up):
    tables = made_up("fracture", n=80)
    outputs = tables.draw("subgroup_performance")
    rows = pd.read_csv(outputs["csv"])
    assert set(rows["block"]) == {"multimodal"}
    assert list(dict.fromkeys(rows["metric"])) == ["auc_t", "oe_ratio"]
    assert list(dict.fromkeys(rows["subgroup"]))[:3] == ["all", "sex", "age_band"]
    east = rows[rows["level"] == "east"]
    assert east["value"].isna().all() and east["n"].tolist() == [21, 21]
    svg = outputs["svg"].read_text(encoding="utf-8")
    assert svg.count("suppressed: fewer than 10 events") == 2
    assert "\N{GREATER-THAN OR EQUAL TO}75" in svg


def test_terms_are_ordered_by_how_often_they_are_selected(made_up):
    tables = made_up("fracture", n=80)
    rows = tables.rows("importance")
    terms = rows[rows["panel"] == "term"]
    assert len(terms) == 20 and terms["name"].iloc[0] == "age_years"
    assert terms["selection_frequency"].tolist() == pytest.approx(1 - 0.035 * np.arange(20))
    assert set(terms["selected_in"]) == {"resamples"}
    blocks = rows[rows["panel"] == "block"]
    assert blocks["name"].tolist() == ["clinical", "hu", "radiomics"]
    assert blocks["value"].tolist() == pytest.approx([0.05, 0.032, 0.014])


def test_the_frequency_over_folds_stands_in_for_that_of_the_bootstrap(made_up):
    tables = made_up("bmd", n=80)
    column = "bootstrap_selection_frequency"
    tables.change("coefficients.tsv", lambda table: table.assign(**{column: np.nan}))
    terms = tables.rows("importance").query("panel == 'term'")
    assert terms["selection_frequency"].tolist() == pytest.approx(1 - 0.02 * np.arange(20))
    assert set(terms["selected_in"]) == {"folds"}
    svg = tables.draw("importance")["svg"].read_text(encoding="utf-8")
    assert "Selected in folds" in svg and "Selected in resamples" not in svg


def test_columns_stand_where_a_learner_has_no_coefficients(made_up):
    tables = made_up("osteoporosis", n=80)
    tables.change("coefficients.tsv", lambda table: table.iloc[:0])
    outputs = tables.draw("importance")
    assert "Each column permuted" in outputs["svg"].read_text(encoding="utf-8")


def test_forecast_and_observed_are_one_point_per_patient(made_up):
    tables = made_up("bmd", n=80)
    rows = tables.rows("predicted_observed")
    points = rows[rows["panel"] == "patient"]
    predictions = pd.read_parquet(tables.path("predictions.parquet"))
    mine = predictions[predictions["block"] == "multimodal"]
    mean = mine.groupby("participant_id")["predicted"].mean()
    assert points["predicted"].tolist() == pytest.approx(mean.tolist(), rel=1e-4)
    difference = points["predicted"] - points["observed"]
    np.testing.assert_allclose(points["difference"], difference, atol=1e-3)
    assert set(rows["name"].dropna()) >= {"bias", "loa_lower", "loa_upper", "r2", "rmse"}


def test_numbers_beside_a_forest_plot():
    assert numbers(Row("a", 0.7, 0.6, 0.8)) == "0.70 (0.60\N{EN DASH}0.80)"
    assert numbers(Row("a", -0.0001, -0.02, 0.0004, digits=3, signed=True)) == (
        "+0.000 (\N{MINUS SIGN}0.020 to +0.000)"
    )
    assert numbers(Row("a", float("nan"), signed=True)) == "not estimable"
    assert numbers(Row("a", 0.5, signed=True)) == "+0.50"
    assert [digits_of("rmse", values, 2) for values in ([21.0, 8.0], [0.081], [350.0])] == [1, 4, 0]
    assert digits_of("auc", [0.7], 2) == 2


def test_a_number_of_events_tells_by_when(made_up):
    metrics = pd.DataFrame({"n": [90, 90], "events": [11, 11], "horizon_years": [np.nan, 3.0]})
    assert (
        made_up("fracture", n=80).compared.people(metrics) == "90 patients, 11 fractures by 3 years"
    )
    diagnosed = metrics.assign(horizon_years=np.nan)
    found = made_up("osteoporosis", n=80).compared.people(diagnosed)
    assert found == "90 patients, 11 with osteoporosis"
