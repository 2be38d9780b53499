"""Another cohort's model judged here, and new patients predicted."""

import logging

import numpy as np
import pandas as pd
import pytest
import yaml

from bonecast.cohort import CohortError
from bonecast.model.cohort import AnalysisSet
from bonecast.model.external import validate_external
from bonecast.model.features import describe_features
from bonecast.model.final import final_models
from bonecast.model.metrics import Resamples, auc, calibration, concordance
from bonecast.model.metrics.calibration import cox_slope
from bonecast.model.predict import PREDICTED_COLUMNS, predict_new, predict_risks
from bonecast.model.saved import ModelError, read_model, usable_blocks
from bonecast.model.validate import PREDICTION_COLUMNS
from bonecast.runtime import write_json

LOG = logging.getLogger("bonecast.test")
BLOCKS = ["clinical", "hu", "multimodal"]


@pytest.fixture
def saved(study, tmp_path):
    """The model of 200 patients with up to 9 years of follow-up, read from its file."""
    frame, features, settings = study(200, 1, blocks=BLOCKS, stability_bootstrap=0)
    content, _, _ = final_models(frame, features, [], settings, "", LOG)
    write_json(content, tmp_path / "model.json")
    return read_model(tmp_path / "model.json")


def test_a_model_is_judged_on_another_cohort_as_it_is(saved, study):
    frame, features, _ = study(90, 2, horizons_years=[1, 4])
    table, facts = validate_external(frame, features, saved, LOG)
    assert list(table.columns) == PREDICTION_COLUMNS
    assert set(table["design"]) == {"external"}
    assert set(table["block"]) == set(BLOCKS)
    assert len(table) == 90 * 3 * 2
    assert [fact["block"] for fact in facts] == BLOCKS
    # At a horizon of the file the risks are those of the file; at another, of the same curve.
    last = table.query("block == 'hu' and horizon_years == 4")
    block = saved.blocks["hu"]
    expected = block.recipe.predict(block.patients(frame))
    assert np.array_equal(last["predicted"], expected.predicted[:, 1])
    assert np.array_equal(last["risk_group"], expected.risk_group)
    earlier = table.query("block == 'hu' and horizon_years == 1")["predicted"].to_numpy()
    assert (earlier < expected.predicted[:, 0]).all()
    assert (earlier > 0).all()
    # Nothing is learned here: other outcomes, the same predictions.
    swapped = frame.assign(event=frame["event"].map({0: 1, 1: 0, 2: 2}))
    again, _ = validate_external(swapped, features, saved, LOG)
    assert np.array_equal(again["predicted"], table["predicted"])


def test_blocks_without_their_columns_are_left_out_and_listed(saved, study, caplog):
    frame, features, _ = study(60, 2, blocks=["clinical"])
    frame = frame.drop(columns=["hu_vol_min_hu"])
    table, facts = validate_external(frame, features, saved, LOG)
    assert set(table["block"]) == {"clinical"}
    left_out = {fact["block"]: fact["left_out"] for fact in facts}
    assert left_out == {
        "clinical": [],
        "hu": ["hu_vol_min_hu"],
        "multimodal": ["hu_vol_min_hu"],
    }
    assert "block hu is left out; no column hu_vol_min_hu" in caplog.text
    with pytest.raises(ModelError, match=r"lack columns of every block(.|\n)*clinical: age_years"):
        usable_blocks(saved, ["participant_id"])


def test_a_column_in_another_unit_is_refused(saved, study):
    frame, features, _ = study(60, 2, lambda f: f.assign(age_years=f["age_years"] * 12))
    with pytest.raises(ModelError, match=r"age_years: median 8.*learned from 5"):
        validate_external(frame, features, saved, LOG)


def test_horizons_beyond_the_follow_up_of_the_model_are_left_out(saved, study, caplog):
    def longer(frame):
        return frame.assign(time_years=frame["time_years"] * 3)

    frame, features, _ = study(60, 2, longer, horizons_years=[4, 12])
    assert features["horizons_years"] == [4, 12]
    table, _ = validate_external(frame, features, saved, LOG)
    assert set(table["horizon_years"]) == {4}
    assert "[12] years" in caplog.text
    with pytest.raises(ModelError, match="follow-up"):
        validate_external(frame, features | {"horizons_years": [12]}, saved, LOG)


def test_new_patients_are_predicted_with_what_is_known_of_them(saved, study):
    frame, *_ = study(6, 3)
    frame = frame.drop(columns=["time_years", "event", "log_hazard"])
    frame.loc[1, "bmi"] = np.nan
    frame.loc[2, "age_years"] = 119
    frame.loc[3, ["hu_vol_mean_l1l4_hu", "hu_vol_min_hu"]] = np.nan
    table = predict_risks(frame, saved.horizons, saved.blocks, LOG)
    assert list(table.columns) == PREDICTED_COLUMNS
    assert len(table) == 6 * 3 * 2
    assert table["participant_id"].tolist() == np.repeat(frame["participant_id"], 6).tolist()
    last = table.query("horizon_years == 4").set_index(["block", "participant_id"])
    block = saved.blocks["clinical"]
    expected = block.recipe.predict(block.patients(frame))
    assert np.array_equal(last.loc["clinical", "predicted"], expected.predicted[:, 1])
    assert last.loc["clinical", "n_missing"].tolist() == [0, 1, 0, 0, 0, 0]
    assert last.loc[("clinical", "P0001"), "note"].startswith("training median in place of: bmi")
    assert last.loc[("clinical", "P0002"), "n_outside"] == 1
    assert "beyond the training patients: age_years" in last.loc[("clinical", "P0002"), "note"]
    # Age, by which death competes, is known of this patient, but nothing of the block.
    nothing = last.loc[("hu", "P0003")]
    assert nothing["n_missing"] == 2
    assert nothing["note"] == "no feature of the model is known"
    assert pd.isna(nothing["predicted"])
    assert pd.isna(nothing["risk_group"])
    assert last.loc["clinical", "risk_group"].between(0, 2).all()


@pytest.mark.parametrize("endpoint", ["osteoporosis", "bmd"])
def test_a_diagnosis_and_a_number_travel_too(study, tmp_path, endpoint):
    kind = {"osteoporosis": "binary", "bmd": "continuous"}[endpoint]

    def made(seed):
        frame, features, settings = study(120, seed, blocks=["clinical", "hu"])
        density = frame["hu_vol_mean_l1l4_hu"] + np.random.default_rng(0).normal(0, 20, 120)
        outcome = (density < 110).astype(float) if kind == "binary" else density
        features |= {"endpoint": endpoint, "kind": kind, "horizons_years": []}
        features |= {"death_columns": []}
        return (
            frame.drop(columns=["time_years", "event"]).assign(outcome=outcome),
            features,
            settings,
        )

    content, table, _ = final_models(*made(1)[:2], [], made(1)[2], "", LOG)
    assert set(table["cause"]) == {endpoint}
    write_json(content, tmp_path / "model.json")
    model = read_model(tmp_path / "model.json", endpoint)
    frame, features, _ = made(2)
    external, _ = validate_external(frame, features, model, LOG)
    assert external["horizon_years"].isna().all()
    assert len(external) == 120 * 2
    hu = external.query("block == 'hu'")["predicted"].to_numpy()
    assert abs(np.corrcoef(hu, frame["outcome"])[0, 1]) > 0.5
    predicted = predict_risks(frame, model.horizons, model.blocks, LOG)
    assert np.array_equal(predicted.query("block == 'hu'")["predicted"], hu)


def test_levels_of_a_vertebra_block_are_asked_for_and_one_may_lack(study, tmp_path):
    """Terms made of several levels need the column at any of them."""

    def levels(frame):
        rng = np.random.default_rng(3)
        drop = {"L1": 10, "L2": 0, "L3": -5}
        mean = frame["hu_vol_mean_l1l4_hu"]
        return frame.assign(
            **{f"hu@{level}": mean + d + rng.normal(0, 8, len(frame)) for level, d in drop.items()}
        )

    frame, features, settings = study(150, 4, levels, blocks=["clinical", "hu"])
    features["blocks"] = {"clinical": ["bmi"], "levels": ["hu@L1", "hu@L2", "hu@L3"]}
    settings |= {"blocks": ["clinical", "levels"], "stability_bootstrap": 0}
    content, table, _ = final_models(frame, features, [], settings, "", LOG)
    own = table.query("block == 'levels' and cause == 'fracture'")["term"]
    assert own.tolist() == ["hu_median", "hu_lowest", "hu_slope"]
    write_json(content, tmp_path / "model.json")
    block = read_model(tmp_path / "model.json").blocks["levels"]
    assert block.features() == ["hu@L1", "hu@L2", "hu@L3"]
    rest = set(block.death_features())
    assert block.missing({"hu@L2", *rest}) == []
    assert block.missing(rest) == ["hu@L1", "hu@L2", "hu@L3"]
    new = frame.head(5).drop(columns=["hu@L1", "hu@L3"])
    predicted = predict_risks(new, (2, 4), {"levels": block}, LOG)
    assert (predicted["n_missing"] == 1).all()
    assert (predicted["note"].str.startswith("training median in place of: hu_slope")).all()


COLUMNS = {"columns": {"participant_id": "id", "age_years": "Alter", "sex": "Geschlecht"}}


def test_a_table_is_predicted_with_the_blocks_it_has(saved, study, tmp_path, caplog):
    frame, *_ = study(8, 3)
    frame.loc[5, ["age_years", "bmi", "prior_fracture", "sex"]] = [np.nan, np.nan, np.nan, ""]
    called = {"participant_id": "id", "age_years": "Alter", "sex": "Geschlecht"}
    clinical = frame[["participant_id", "age_years", "sex", "bmi", "prior_fracture"]]
    path = tmp_path / "new.csv"
    clinical.rename(columns=called).to_csv(path, index=False)
    table = predict_new({"table": path}, saved, None, COLUMNS, LOG)
    assert "block hu is left out; no column hu_vol_mean_l1l4_hu" in caplog.text
    assert table["block"].dropna().unique().tolist() == ["clinical"]
    block = saved.blocks["clinical"]
    expected = block.recipe.predict(block.patients(frame.drop(index=5))).predicted
    assert np.array_equal(table["predicted"].dropna(), expected.ravel())
    (note,) = set(table.loc[table["participant_id"] == "P0005", "note"])
    assert note == "no feature of the model is known"
    with pytest.raises(ModelError, match="no block deep in the model; it has: clinical, hu"):
        predict_new({"table": path}, saved, "deep", COLUMNS, LOG)
    with pytest.raises(ModelError, match="hu: hu_vol_mean_l1l4_hu, hu_vol_min_hu"):
        predict_new({"table": path}, saved, "hu", COLUMNS, LOG)
    one = {"table": path}
    clinical.rename(columns=called).assign(bmi="heavy").to_csv(path, index=False)
    with pytest.raises(CohortError, match="bmi"):
        predict_new(one, saved, "clinical", COLUMNS, LOG)


def mclernon(table, over_20, over_50, years, event):
    """The columns of McLernon et al.: size classes, a spline of at most 19 nodes, grade 3."""
    nodes = table["nodes"].clip(upper=19).to_numpy(float)
    cubes = [np.maximum(nodes - knot, 0) ** 3 for knot in (0, 1, 9)]
    columns = {
        "over_20": over_20,
        "over_50": over_50,
        "nodes": nodes,
        "bend": (cubes[0] - cubes[1] * 9 / 8 + cubes[2] / 8) / 81,
        "grade_3": table["grade"] == 3,
    }
    frame = pd.DataFrame(columns).astype(float)
    frame["time_years"] = np.minimum(years, 5)
    frame["event"] = np.where(years > 5, 0, event)
    return frame.assign(participant_id=[f"P{i}" for i in range(len(frame))], site="")


def test_a_published_external_validation_is_reproduced(oracle, repo, tmp_path):
    """Rotterdam to GBSG (McLernon et al., Ann Intern Med 2023;176:105), by way of the file.

    Theirs is a Cox model without penalty; ours is all but that on 2,982 patients.
    """
    old, new = (pd.read_csv(oracle / f"{name}.csv") for name in ("rotterdam", "gbsg"))
    years = np.where(old["recur"] == 1, old["rtime"], old["dtime"]) / 365.25
    relapse = np.maximum(old["recur"], old["death"])
    train = mclernon(old, old["size"] == "20-50", old["size"] == ">50", years, relapse)
    over_20 = new["size"].gt(20) & new["size"].le(50)
    test = mclernon(new, over_20, new["size"].gt(50), new["rfstime"] / 365.25, new["status"])
    settings = yaml.safe_load((repo / "config.yaml").read_text())["model"]
    settings |= {"blocks": ["clinical"], "horizons_years": [4.9], "winsor_quantile": 0}
    columns = ["over_20", "over_50", "nodes", "bend", "grade_3"]
    tables = [AnalysisSet(frame, {"clinical": columns}, []) for frame in (train, test)]
    described = [describe_features(table, "fracture", settings) for table in tables]
    content, _, _ = final_models(train, described[0], [], settings, "", LOG)
    write_json(content, tmp_path / "model.json")
    read = read_model(tmp_path / "model.json", "fracture")
    table, _ = validate_external(test, described[1], read, LOG)
    assert len(table) == 686
    sample = Resamples.draw(test["time_years"].to_numpy(), test["event"].to_numpy(), 0, 1)
    folds = np.zeros((1, 686), dtype=int)
    lp, risk = table["lp"].to_numpy()[None], table["predicted"].to_numpy()[None]
    assert concordance(lp, folds, sample, weighted=False)[0] == pytest.approx(0.652, abs=1e-3)
    assert auc(risk, folds, sample, 4.9)[0] == pytest.approx(0.677, abs=0.01)
    assert cox_slope(lp, folds, sample)[0] == pytest.approx(1.0562, abs=0.02)
    assert calibration(risk, sample, 4.9)["oe_ratio"][0] == pytest.approx(1.0174, abs=0.03)
