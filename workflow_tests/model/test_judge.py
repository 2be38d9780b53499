"""Tables of metrics and curves: what is compared, counted, suppressed and left empty."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.metrics import brier_score_loss, mean_absolute_error, r2_score, roc_auc_score

from bonecast.model.metrics import DEFINITIONS, TABLE_COLUMNS, Resamples, auc, judge_predictions
from bonecast.model.metrics.subgroups import age_bands
from bonecast.model.validate import PREDICTION_COLUMNS

HORIZONS = (1.0, 2.5)
SETTINGS = {
    "bootstrap": 20,
    "curve_bootstrap": 4,
    "seed": 1,
    "thresholds": [0.2],
    "subgroups": ["sex", "age_band", "scanner"],
    "age_bands": [65, 75],
    "min_events": 10,
    "nri": False,
}
LOG = logging.getLogger("test")


def patients(n=150, seed=8):
    rng = np.random.default_rng(seed)
    lp = rng.normal(size=n)
    fracture, death = rng.exponential(5 * np.exp(-lp)), rng.exponential(9, n)
    end = rng.uniform(3, 9, n)
    time = np.minimum(np.minimum(fracture, death), end)
    return pd.DataFrame(
        {
            "participant_id": [f"P{number:03d}" for number in range(n)],
            "time_years": time.round(2) + 0.01,
            "event": np.where(time == fracture, 1, np.where(time == death, 2, 0)),
            "outcome": np.where(lp + rng.normal(size=n) > 0.5, 1.0, 0.0),
            "age_years": rng.uniform(55, 85, n),
            "sex": np.where(np.arange(n) % 3 == 0, "M", "F"),
            "site": np.where(np.arange(n) % 2 == 0, "north", "south"),
            "lp": lp,
        }
    )


def features(kind="survival", scores=()):
    return {
        "endpoint": "fracture",
        "kind": kind,
        "horizons_years": list(HORIZONS) if kind == "survival" else [],
        "reference": "clinical",
        "scores": list(scores),
    }


def held_out(frame, marker, block="clinical", learner="penalised_cox", repeats=2, **columns):
    """Predictions of a model that ranks by `marker`."""
    rows = []
    horizons = HORIZONS if "kind" not in columns else (np.nan,)
    for repeat in range(1, repeats + 1):
        for horizon in horizons:
            years = 1.0 if np.isnan(horizon) else horizon
            rows.append(
                pd.DataFrame(
                    {
                        "participant_id": frame["participant_id"],
                        "endpoint": "fracture",
                        "design": "repeated_nested_cv",
                        "block": block,
                        "learner": learner,
                        "repeat": repeat,
                        "fold": (np.arange(len(frame)) * repeat // 3) % 3 + 1,
                        "horizon_years": horizon,
                        "lp": marker,
                        "predicted": -np.expm1(-years / 5 * np.exp(marker)),
                        "threshold": 0.3,
                        "risk_group": 0,
                        "time_years": frame["time_years"],
                        "event": frame["event"],
                        "outcome": frame["outcome"],
                    }
                )
            )
    columns.pop("kind", None)
    return pd.concat(rows, ignore_index=True)[PREDICTION_COLUMNS].assign(**columns)


def judge(frame, *parts, kind="survival", scores=(), jobs=1, **settings):
    given = SETTINGS | settings
    return judge_predictions(frame, list(parts), features(kind, scores), given, LOG, jobs)[1]


def one(table, **where):
    """The only row with these values."""
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1, table
    return table.iloc[0]


@pytest.fixture(scope="module")
def frame():
    return patients()


@pytest.fixture(scope="module")
def tables(frame):
    noise = np.random.default_rng(1).normal(size=len(frame))
    parts = (
        held_out(frame, frame["lp"]),
        held_out(frame, frame["lp"].to_numpy(), block="same"),
        held_out(frame, noise, block="noise"),
        held_out(frame, noise, block="clinical", learner="forest", lp=np.nan),
    )
    return judge(frame, *parts)


def test_tables_have_their_columns_and_no_row_twice(tables):
    assert {name: list(table) for name, table in tables.items()} == TABLE_COLUMNS
    keys = ["design", "block", "learner", "metric", "horizon_years", "threshold", "reference"]
    assert not tables["metrics"].duplicated(keys).any()
    assert not tables["subgroups"].duplicated([*keys, "subgroup", "level"]).any()
    assert (
        not tables["decision_curves"]
        .duplicated(["block", "learner", "horizon_years", "threshold"])
        .any()
    )


def test_every_metric_is_defined(tables):
    named = {name.removeprefix("delta_") for name in tables["metrics"]["metric"]}
    assert named <= set(DEFINITIONS)
    assert {"c_index", "auc_t", "ibs", "ici", "net_benefit", "calibration_slope"} <= named
    assert not {"auc", "nri", "r2"} & named


def test_differences_are_paired_within_a_learner(tables):
    metrics = tables["metrics"]
    delta = metrics[metrics["metric"].str.startswith("delta_")]
    # The forest has no other block; the penalised model has two.
    assert set(zip(delta["block"], delta["learner"], strict=True)) == {
        ("same", "penalised_cox"),
        ("noise", "penalised_cox"),
    }
    assert set(delta["metric"]) == {"delta_c_index", "delta_auc_t", "delta_brier", "delta_ibs"}
    assert set(delta["reference"]) == {"clinical"}
    same = delta[delta["block"] == "same"]
    assert (same[["value", "lower", "upper"]] == 0).all(axis=None)
    where = {"learner": "penalised_cox", "metric": "c_index"}
    values = [one(metrics, block=block, **where)["value"] for block in ("noise", "clinical")]
    worse = one(delta, block="noise", metric="delta_c_index")
    assert worse["value"] == pytest.approx(values[0] - values[1])
    assert worse["upper"] < 0


def test_events_are_those_each_metric_counts(frame, tables):
    of = {"block": "clinical", "learner": "penalised_cox"}
    fractured, time = frame["event"] == 1, frame["time_years"]
    by_tau = (fractured & (time <= 2.5)).sum()
    assert by_tau < fractured.sum()
    assert one(tables["metrics"], metric="c_index", **of)["events"] == by_tau
    assert one(tables["metrics"], metric="ibs", **of)["events"] == by_tau
    assert one(tables["metrics"], metric="c_index_harrell", **of)["events"] == fractured.sum()
    first = one(tables["metrics"], metric="auc_t", horizon_years=1.0, **of)
    assert first["events"] == (fractured & (time <= 1)).sum()
    assert first["n"] == len(frame)
    assert first["lower"] < first["value"] < first["upper"]


def test_of_a_reversed_score_low_values_are_the_risky_ones(frame):
    scored = frame.assign(t_score=-frame["lp"])
    described = features(scores=["t_score"]) | {"reversed_scores": ["t_score"]}
    parts = [held_out(frame, frame["lp"])]
    found, tables = judge_predictions(scored, parts, described, SETTINGS, LOG)
    of_score = found[found["block"] == "t_score"]
    ids = frame.set_index("participant_id")["lp"]
    assert (of_score["lp"] == of_score["participant_id"].map(ids)).all()
    against = tables["metrics"][tables["metrics"]["reference"] == "t_score"]
    assert len(against) and (against["value"] == 0).all()


def test_a_score_some_patients_lack_is_compared_on_the_others(frame):
    scored = frame.assign(frax=np.where(np.arange(len(frame)) < 40, np.nan, frame["lp"]))
    scored["empty"] = np.nan
    found, tables = judge_predictions(
        scored,
        [held_out(frame, frame["lp"])],
        features(scores=["frax", "empty"]),
        SETTINGS,
        LOG,
    )
    assert set(found["block"]) == {"clinical", "frax"}
    rows = found[found["block"] == "frax"]
    assert rows["predicted"].isna().all() and rows["risk_group"].isna().all()
    metrics = tables["metrics"]
    frax = metrics[metrics["block"] == "frax"]
    assert set(frax["metric"]) == {"c_index", "c_index_harrell", "auc_t"}
    assert set(frax["n"]) == {110}
    against = metrics[metrics["reference"] == "frax"]
    assert set(against["metric"]) == {"delta_c_index", "delta_auc_t"}
    assert set(against["n"]) == {110} and (against["value"] == 0).all()
    rest = scored.iloc[40:]
    alone = Resamples.draw(rest["time_years"].to_numpy(), rest["event"].to_numpy(), 0, 1)
    folds = rows.drop_duplicates(["participant_id", "repeat"])["fold"].to_numpy().reshape(2, -1)
    marker = np.tile(rest["lp"].to_numpy(), (2, 1))
    expected = auc(marker, folds[:, 40:], alone, 2.5)[0]
    value = one(frax, metric="auc_t", horizon_years=2.5)["value"]
    assert value == pytest.approx(expected, abs=1e-12)


def test_only_patients_held_out_count(frame):
    late = frame.iloc[60:]
    part = held_out(late, late["lp"], repeats=1, design="temporal")
    whole, alone = judge(frame, part), judge(late, part)
    pd.testing.assert_frame_equal(whole["metrics"], alone["metrics"])
    assert set(whole["metrics"]["n"]) == {90}


def test_jobs_do_not_change_the_result(frame, monkeypatch):
    monkeypatch.setattr("bonecast.model.metrics.judge.WORTH_A_PROCESS", 0)
    parts = [held_out(frame, frame["lp"]), held_out(frame, -frame["lp"], block="other")]
    with parallel_config(backend="threading"):
        one_process, two = (judge(frame, *parts, jobs=jobs) for jobs in (1, 2))
    for name, table in one_process.items():
        pd.testing.assert_frame_equal(table, two[name])


def test_small_subgroups_are_suppressed_and_counted(frame):
    rare = frame.assign(scanner=np.where(np.arange(len(frame)) < 6, "Acme", ""))
    found = judge(rare, held_out(rare, rare["lp"]))["subgroups"]
    assert set(found["subgroup"]) == {"sex", "age_band", "scanner"}
    small = found[found["level"] == "Acme"]
    assert set(small["metric"]) == {"c_index", "auc_t", "brier", "oe_ratio"}
    assert small[["value", "lower", "upper"]].isna().all(axis=None)
    assert set(small["note"]) == {"fewer than 10 events"}
    assert set(small["n"]) == {6}
    # The women alone, with censoring weights of their own.
    women = rare[rare["sex"] == "F"]
    alone = judge(women, held_out(rare, rare["lp"]).merge(women[["participant_id"]]))["metrics"]
    for metric, horizon in (("auc_t", 2.5), ("oe_ratio", 2.5)):
        expected = one(alone, metric=metric, horizon_years=horizon)
        got = one(found, metric=metric, level="F")
        assert got["value"] == pytest.approx(expected["value"], abs=1e-12)
        assert (got["n"], got["events"]) == (expected["n"], expected["events"])
    assert found[found["level"] == "unknown"]["value"].notna().all()


def test_sites_are_shown_where_they_are_left_out(frame):
    part = held_out(frame, frame["lp"], repeats=1, design="leave_one_site_out")
    found = judge(frame, part, subgroups=["sex"])["subgroups"]
    assert set(found.loc[found["subgroup"] == "site", "level"]) == {"north", "south"}


def test_age_bands_have_names_in_order(frame):
    labels = age_bands(pd.Series([64.9, 65, 74.9, 75, np.nan]), [65, 75])
    assert labels.tolist()[:4] == ["<65", "65-74", "65-74", ">=75"] and pd.isna(labels[4])
    found = judge(frame, held_out(frame, frame["lp"]))["subgroups"]
    bands = found.loc[found["subgroup"] == "age_band", "level"]
    assert bands.drop_duplicates().tolist() == ["<65", "65-74", ">=75"]


def test_curves_agree_with_the_metrics(frame, tables):
    of = {"block": "clinical", "learner": "penalised_cox", "horizon_years": 2.5}
    metric = one(tables["metrics"], metric="net_benefit", **of)
    curve = one(tables["decision_curves"], threshold=0.2, **of)
    assert curve["net_benefit"] == pytest.approx(metric["value"])
    blocks = set(tables["decision_curves"]["block"])
    assert blocks == {"clinical", "same", "noise", "treat_all", "treat_none"}
    calibration = tables["calibration_curves"]
    calibration = calibration[(calibration[list(of)] == list(of.values())).all(axis=1)]
    sizes = calibration.groupby("kind")["n"].sum()
    assert sizes["group"] == sizes["histogram"] == len(frame)
    groups = calibration[calibration["kind"] == "group"]
    assert groups["predicted"].is_monotonic_increasing
    assert (groups["lower"] <= groups["upper"]).all()
    smooth = calibration[calibration["kind"] == "smooth"]
    assert smooth["observed"].between(0, 1).all() and len(smooth) == 100


def test_reclassification_only_where_asked(frame):
    parts = [held_out(frame, frame["lp"]), held_out(frame, 2 * frame["lp"], block="stretched")]
    row = one(judge(frame, *parts, nri=True)["metrics"], metric="nri")
    assert (row["block"], row["reference"], row["horizon_years"]) == ("stretched", "clinical", 2.5)
    # Stretching moves the risky up and the others down: it "improves" what ranks alike.
    assert row["value"] > 0.3


def test_a_diagnosis_is_judged_like_by_scikit_learn(frame):
    part = held_out(
        frame, frame["lp"], learner="penalised_logistic", repeats=1, fold=1, kind="binary"
    )
    tables = judge(frame, part, kind="binary")
    metrics, truth, risk = tables["metrics"], frame["outcome"], part["predicted"]
    assert one(metrics, metric="auc")["value"] == pytest.approx(roc_auc_score(truth, risk))
    assert one(metrics, metric="brier")["value"] == pytest.approx(brier_score_loss(truth, risk))
    ratio = truth.mean() / risk.mean()
    assert one(metrics, metric="oe_ratio")["value"] == pytest.approx(ratio)
    chosen, wrong = risk >= 0.2, 1 - truth
    benefit = (chosen * truth).mean() - (chosen * wrong).mean() * 0.25
    assert one(metrics, metric="net_benefit")["value"] == pytest.approx(benefit)
    caught = chosen[truth == 1].mean()
    assert one(metrics, metric="sensitivity")["value"] == pytest.approx(caught)
    assert metrics["horizon_years"].isna().all()
    assert set(metrics["events"]) == {int(truth.sum())}
    assert set(metrics["metric"]) >= {"calibration_slope", "ici", "specificity_learned", "ipa"}
    assert not {"c_index", "auc_t", "ibs"} & set(metrics["metric"])


def test_a_number_is_judged_like_by_scikit_learn(frame):
    measured = frame.assign(outcome=3 * frame["lp"] + np.random.default_rng(2).normal(size=150))
    guess = 2.5 * frame["lp"] + 0.2
    part = held_out(
        measured,
        frame["lp"],
        learner="penalised_linear",
        repeats=1,
        kind="continuous",
        predicted=guess,
    )
    tables = judge(measured, part, kind="continuous")
    found = tables["metrics"].set_index("metric")["value"]
    truth = measured["outcome"]
    error = guess - truth
    assert found["r2"] == pytest.approx(r2_score(truth, guess))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, guess))
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert found["bias"] == pytest.approx(error.mean())
    assert found["loa_upper"] == pytest.approx(error.mean() + 1.96 * error.std(ddof=1))
    assert found["loa_lower"] == pytest.approx(error.mean() - 1.96 * error.std(ddof=1))
    assert found["calibration_slope"] == pytest.approx(np.polyfit(guess, truth, 1)[0])
    assert tables["decision_curves"].empty and tables["roc_curves"].empty
    assert set(tables["calibration_curves"]["kind"]) == {"smooth", "group", "histogram"}
    assert set(tables["subgroups"]["metric"]) == {"r2", "rmse", "bias"}


DEGENERATE = {
    "all censored": lambda frame: frame.assign(event=0),
    "all fractured": lambda frame: frame.assign(event=1),
    "all died": lambda frame: frame.assign(event=2),
    "one fracture": lambda frame: frame.assign(event=(np.arange(len(frame)) == 3).astype(int)),
    "short follow-up": lambda frame: frame.assign(time_years=0.4 + 0.001 * np.arange(len(frame))),
    "one time": lambda frame: frame.assign(time_years=1.0),
    "two patients": lambda frame: frame.iloc[:2],
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_outcomes_leave_values_empty(frame, case):
    odd = DEGENERATE[case](frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables = judge(
            odd.assign(score=odd["lp"]),
            held_out(odd, odd["lp"]),
            held_out(odd, odd["lp"], learner="forest", lp=np.nan),
            scores=["score"],
        )
    metrics = tables["metrics"]
    assert set(metrics["n"]) == {len(odd)}
    fractured = odd[(odd["event"] == 1) & (odd["time_years"] <= 2.5)]
    c = metrics[metrics["metric"] == "c_index"]
    assert set(c["events"]) == {len(fractured)}
    if not len(fractured):
        assert c["value"].isna().all()
        assert metrics.loc[metrics["metric"] == "calibration_slope", "value"].isna().all()
    assert not np.isinf(metrics[["value", "lower", "upper"]].to_numpy(float)).any()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_predictions_rank_nobody(frame, value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        part = held_out(frame, np.zeros(len(frame)), predicted=value)
        metrics = judge(frame, part)["metrics"].set_index(["metric", "horizon_years"])["value"]
    assert metrics["c_index", np.nan] == 0.5
    assert metrics["auc_t", 2.5] == 0.5
    assert np.isnan(metrics["calibration_slope", np.nan])
    assert np.isnan(metrics["ici", 2.5])
    assert metrics["brier", 2.5] > 0


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_only_leaves_a_diagnosis_empty(frame, outcome):
    one_class = frame.assign(outcome=outcome)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        part = held_out(one_class, frame["lp"], learner="penalised_logistic", kind="binary")
        metrics = judge(one_class, part, kind="binary")["metrics"].set_index("metric")
    assert metrics.loc[["auc", "calibration_slope", "ici"], "value"].isna().all()
    assert metrics.loc["auc", "events"] == (150 if outcome else 0)


def test_a_resample_without_cases_has_no_value():
    frame = patients(60, 3)
    frame["event"] = (np.arange(60) == 5).astype(int)
    frame.loc[5, "time_years"] = 0.5
    row = one(
        judge(frame, held_out(frame, frame["lp"]), bootstrap=50)["metrics"],
        metric="auc_t",
        horizon_years=2.5,
    )
    assert np.isfinite(row["value"]) and row["events"] == 1
    # A third of the resamples lacks the only case: no interval.
    assert np.isnan(row["lower"]) and np.isnan(row["upper"])


def test_without_predictions_tables_are_empty(frame):
    for parts in ([], [pd.DataFrame(columns=PREDICTION_COLUMNS)]):
        found, tables = judge_predictions(frame, parts, features(), SETTINGS, LOG)
        assert found.empty and list(found) == PREDICTION_COLUMNS
        assert {name: list(table) for name, table in tables.items()} == TABLE_COLUMNS
        assert all(table.empty for table in tables.values())


def test_wrong_predictions_are_refused_by_name(frame):
    part = held_out(frame, frame["lp"])
    with pytest.raises(ValueError, match="P000 more than once"):
        judge(frame, part, part)
    with pytest.raises(ValueError, match="P149 has predictions but is not in the analysis set"):
        judge(frame.iloc[:149], part)
