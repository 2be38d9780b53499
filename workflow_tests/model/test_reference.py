"""Agreement with R: on a table of our own anywhere, on public cohorts where they are found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from comprisk import CumulativeIncidence, FineGrayRegression

from bonecast.model.cox import EfronLikelihood, fit_cox
from bonecast.model.metrics import Resamples, auc, calibration, concordance
from bonecast.model.metrics.calibration import (
    cox_slope,
    integrated_brier,
    logistic,
    logistic_slope,
)
from bonecast.model.metrics.decision import net_benefit, sensitivity_specificity
from bonecast.model.metrics.smooth import (
    diagnosis_curve,
    fine_gray_slope,
    smooth_calibration,
    survival_curve,
)
from bonecast.model.risk import absolute_risk, baseline_hazards

OWN = Path(__file__).parent / "reference"
COLUMNS = ["age_years", "prior_fracture", "hu"]
HORIZONS = (1.0, 2.5, 5.0)


@pytest.fixture(scope="module")
def own():
    """The table, its test half, R's numbers by name, and R's risks of the test half."""
    table = pd.read_csv(OWN / "competing.csv")
    reference = pd.read_csv(OWN / "reference.tsv", sep="\t").groupby("name")["value"]
    numbers = {name: values.to_numpy() for name, values in reference}
    return table, table.iloc[1::2], numbers, pd.read_csv(OWN / "risks.csv").to_numpy()


def columns_of(table, time="time_years", event="event"):
    return table[time].to_numpy(float), table[event].to_numpy(int)


def no_folds(patients):
    return np.zeros((1, patients), dtype=int)


@pytest.mark.parametrize("cause", [1, 2])
def test_cox_coefficients_errors_and_likelihood(own, cause):
    table, _, numbers, _ = own
    time, event = columns_of(table)
    fit = fit_cox(table[COLUMNS].to_numpy(float), time, event == cause)
    assert fit.coefficients == pytest.approx(numbers[f"cox_{cause}"], abs=1e-9)
    errors = np.sqrt(np.diag(fit.covariance))
    assert errors == pytest.approx(numbers[f"cox_se_{cause}"], abs=1e-9)
    assert fit.log_likelihood == pytest.approx(numbers[f"cox_loglik_{cause}"][0], abs=1e-9)


def test_absolute_risk_from_two_cause_specific_models(own):
    table, test, _, risks = own
    train = table.iloc[::2]
    assert risk_of(train, test, COLUMNS, HORIZONS) == pytest.approx(risks, abs=1e-8)


def risk_of(train, test, columns, horizons, time="time_years", event="event"):
    """Risks of test rows from unpenalised models of the training rows."""
    times, events = columns_of(train, time, event)
    x, new = train[columns].to_numpy(float), test[columns].to_numpy(float)
    centre = x.mean(axis=0)
    betas = [fit_cox(x, times, events == cause).coefficients for cause in (1, 2)]
    baseline = baseline_hazards(times, events, *((x - centre) @ beta for beta in betas))
    return absolute_risk(baseline, *((new - centre) @ b for b in betas), np.array(horizons))


def test_auc_brier_and_incidence(own):
    table, test, numbers, risks = own
    whole = Resamples.draw(*columns_of(table), 0, 1)
    sample = Resamples.draw(*columns_of(test), 0, 1)
    for k, horizon in enumerate(HORIZONS):
        incidence = whole.weights(horizon)[0].sum() / len(table)
        assert incidence == pytest.approx(numbers["aalen_johansen"][k], abs=1e-10)
        marker = risks[None, :, k]
        area = auc(marker, no_folds(len(test)), sample, horizon)[0]
        assert area == pytest.approx(numbers["auc"][k], abs=1e-10)
        brier = calibration(marker, sample, horizon)["brier"][0]
        assert brier == pytest.approx(numbers["brier"][k], abs=1e-10)


def test_concordance(own):
    _, test, numbers, _ = own
    lp = pd.read_csv(OWN / "lp.csv").to_numpy().T
    time, event = columns_of(test)
    sample = Resamples.draw(time, (event == 1).astype(int), 0, 1)
    harrell = concordance(lp, no_folds(len(lp[0])), sample, weighted=False)[0]
    assert harrell == pytest.approx(numbers["harrell"][0], abs=1e-12)
    weighted = concordance(lp, no_folds(len(lp[0])), sample, tau=5.0)[0]
    assert weighted == pytest.approx(numbers["uno_5"][0], abs=1e-10)


def fine_gray(table, columns, time="time_years", event="event"):
    times, events = columns_of(table, time, event)
    return FineGrayRegression().fit(table[columns].to_numpy(float), time=times, event=events)


def test_fine_gray_of_the_library_chosen_for_it(own):
    table, _, numbers, _ = own
    model = fine_gray(table, COLUMNS)
    assert np.ravel(model.coef_) == pytest.approx(numbers["fine_gray"], abs=1e-6)
    predicted = model.predict_cumulative_incidence(table[COLUMNS].to_numpy(float)[:5], HORIZONS)
    for k, horizon in enumerate(HORIZONS):
        expected = numbers[f"fine_gray_incidence_{horizon:g}"]
        assert predicted[:, k] == pytest.approx(expected, abs=1e-7)


def test_aalen_johansen_of_the_library_and_its_variance(own):
    table, _, numbers, _ = own
    time, event = columns_of(table)
    curve = CumulativeIncidence().fit(time=time, event=event).curves_[None, 1]
    incidence, variance = curve.evaluate(np.array(HORIZONS))
    assert incidence == pytest.approx(numbers["aalen_johansen"], abs=1e-10)
    assert variance == pytest.approx(numbers["aalen_johansen_variance"], abs=1e-10)
    whole = Resamples.draw(time, event, 0, 1)
    for k, horizon in enumerate(HORIZONS):
        assert whole.incidence(horizon)[0] == pytest.approx(incidence[k], abs=1e-12)


def test_calibration_in_the_large_and_integrated_brier(own):
    _, test, numbers, risks = own
    sample = Resamples.draw(*columns_of(test), 0, 1)
    found = [calibration(risks[None, :, k], sample, t) for k, t in enumerate(HORIZONS)]
    ratios = [values["oe_ratio"][0] for values in found]
    assert ratios == pytest.approx(numbers["oe_ratio"], abs=1e-6)
    integrated = integrated_brier([values["brier"] for values in found], HORIZONS)[0]
    assert integrated == pytest.approx(numbers["ibs"][0], abs=1e-10)


def test_calibration_slopes(own):
    _, test, numbers, risks = own
    time, event = columns_of(test)
    lp = pd.read_csv(OWN / "lp.csv").to_numpy().T
    drawn = np.vstack([np.ones(len(time)), np.resize([1, 0, 2, 1], len(time))])
    sample = Resamples.weigh(time, event, drawn)
    folds = np.resize([1, 2, 3], (1, len(time)))
    whole = cox_slope(lp, no_folds(len(time)), sample)[0]
    assert whole == pytest.approx(numbers["slope"][0], abs=1e-6)
    by_fold = cox_slope(lp, folds, sample)
    assert by_fold[0] == pytest.approx(numbers["slope_by_fold"][0], abs=1e-6)
    assert by_fold[1] == pytest.approx(numbers["slope_by_fold_weighted"][0], abs=1e-6)
    slope = fine_gray_slope(risks[None, :, 2], sample.first(0))[0]
    assert slope == pytest.approx(numbers["slope_fine_gray"][0], abs=1e-6)


@pytest.mark.parametrize("death", [True, False])
def test_distances_from_the_smooth_curve(own, death):
    _, test, numbers, risks = own
    time, event = columns_of(test)
    event = event if death else (event == 1).astype(int)
    for k, horizon in enumerate(HORIZONS):
        smooth = smooth_of(risks[:, k], time, event, horizon)
        expected = numbers[f"distances_{'' if death else 'cox_'}{horizon:g}"]
        assert [smooth.ici[0], smooth.e50[0], smooth.e90[0]] == pytest.approx(expected, abs=2e-3)


def smooth_of(risk, time, event, horizon):
    return smooth_calibration(
        risk[None],
        Resamples.draw(time, event, 0, 1),
        lambda predicted, rows: survival_curve(predicted, time[rows], event[rows], horizon),
    )


def test_decisions(own):
    _, test, numbers, risks = own
    sample = Resamples.draw(*columns_of(test), 0, 1)
    for k, horizon in ((1, 2.5), (2, 5)):
        for threshold in (0.1, 0.2, 0.4):
            benefit = net_benefit(risks[None, :, k], sample, horizon, threshold)[0]
            expected = numbers[f"net_benefit_{horizon:g}_{threshold:g}"][0]
            assert benefit == pytest.approx(expected, abs=1e-10)
    for row in (20, 50, 80):
        threshold, true_positive, false_positive = numbers[f"roc_{row}"]
        sensitivity, specificity = sensitivity_specificity(
            risks[None, :, 1], sample, 2.5, threshold - 1e-9
        )
        assert sensitivity[0] == pytest.approx(true_positive, abs=1e-10)
        assert 1 - specificity[0] == pytest.approx(false_positive, abs=1e-10)


def test_diagnosis(own):
    _, test, numbers, risks = own
    diagnosed = (test["event"] == 1).to_numpy(int)
    sample = Resamples.draw(np.where(diagnosed, 0.5, 1.5), diagnosed, 0, 1)
    risk, folds = risks[None, :, 2], no_folds(len(test))
    assert auc(risk, folds, sample, 1.0)[0] == pytest.approx(numbers["diagnosis_auc"][0], abs=1e-10)
    brier = calibration(risk, sample, 1.0)["brier"][0]
    assert brier == pytest.approx(numbers["diagnosis_brier"][0], abs=1e-10)
    slope = logistic_slope(risk, diagnosed, sample.counts)[0]
    assert slope == pytest.approx(numbers["diagnosis_slope"][0], abs=1e-6)
    smooth = smooth_calibration(
        risk, sample, lambda predicted, rows: diagnosis_curve(predicted, diagnosed[rows])
    )
    found = [smooth.ici[0], smooth.e50[0], smooth.e90[0]]
    assert found == pytest.approx(numbers["diagnosis_distances"], abs=2e-3)


# Public cohorts, with the numbers R gave on them.


@pytest.fixture(scope="module")
def published(oracle):
    """R's numbers on the public cohorts: "name[key]" to value."""
    table = pd.read_csv(oracle / "ref.tsv", sep="\t", header=None, names=["name", "value"])
    return dict(table.itertuples(index=False))


@pytest.fixture(scope="module")
def breast_cancer(oracle):
    table = pd.read_csv(oracle / "gbsg2.csv")
    return table, list(table.columns[2:])


def test_cox_on_gbsg2(published, breast_cancer):
    table, columns = breast_cancer
    time, event = columns_of(table, "time", "cens")
    fit = fit_cox(table[columns].to_numpy(float), time, event == 1)
    expected = [published[f"cox_efron[{column}]"] for column in columns]
    assert fit.coefficients == pytest.approx(expected, abs=1e-10)
    errors = [published[f"cox_efron_se[{column}]"] for column in columns]
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(errors, abs=1e-10)
    assert fit.log_likelihood == pytest.approx(published["cox_efron_ll[2]"], abs=1e-7)


def test_metrics_on_gbsg2(published, breast_cancer, oracle):
    test = breast_cancer[0].iloc[1::2]
    sample = Resamples.draw(*columns_of(test, "time", "cens"), 0, 1)
    folds = no_folds(len(test))
    risks = pd.read_csv(oracle / "gbsg2_risk.csv").to_numpy()
    for k, days in enumerate((730, 1095, 1460, 1825)):
        marker = risks[None, :, k]
        values = calibration(marker, sample, days)
        assert auc(marker, folds, sample, days)[0] == pytest.approx(
            published[f"score_auc[{days}]"], abs=1e-10
        )
        assert values["brier"][0] == pytest.approx(published[f"score_brier[{days}]"], abs=1e-10)
    assert values["oe_ratio"][0] == pytest.approx(published["OE_1825[1]"], abs=1e-6)
    lp = pd.read_csv(oracle / "gbsg2_lp.csv")[["lp"]].to_numpy().T
    harrell = concordance(lp, folds, sample, weighted=False)[0]
    assert harrell == pytest.approx(published["harrell_C_test[1]"], abs=1e-10)
    uno = concordance(lp, folds, sample, tau=1825)[0]
    assert uno == pytest.approx(published["uno_C_test_n/G2_tau1825[1]"], abs=1e-10)
    slope = cox_slope(lp, folds, sample)[0]
    assert slope == pytest.approx(published["cal_slope_cox[lp]"], abs=1e-6)
    smooth = smooth_of(risks[:, 3], *columns_of(test, "time", "cens"), 1825)
    for name in ("ICI", "E50", "E90"):
        expected = published[f"ICI_E50_E90_Emax_rcs3[{name}]"]
        assert getattr(smooth, name.lower())[0] == pytest.approx(expected, abs=2e-3)


def test_competing_risks_on_mgus2(published, oracle):
    table = pd.read_csv(oracle / "mgus2_cr.csv")
    train, test = table.iloc[::2], table.iloc[1::2]
    months = (60, 120, 240)
    risks = pd.read_csv(oracle / "mgus2_risk.csv").to_numpy()[:, 3:]
    columns = ["age", "male", "mspike", "hgb"]
    predicted = risk_of(train, test, columns, months, "etime", "ev")
    assert predicted == pytest.approx(risks, abs=1e-8)
    whole = Resamples.draw(*columns_of(table, "etime", "ev"), 0, 1)
    sample = Resamples.draw(*columns_of(test, "etime", "ev"), 0, 1)
    for k, month in enumerate(months):
        incidence = whole.weights(month)[0].sum() / len(table)
        assert incidence == pytest.approx(published[f"AJ_1 1[{month}]"], abs=1e-10)
        marker = risks[None, :, k]
        area = auc(marker, no_folds(len(test)), sample, month)[0]
        assert area == pytest.approx(published[f"cr_auc[csc {month}]"], abs=1e-10)
        brier = calibration(marker, sample, month)["brier"][0]
        assert brier == pytest.approx(published[f"cr_brier[csc {month}]"], abs=1e-10)


def test_fine_gray_on_mgus2(published, oracle):
    table = pd.read_csv(oracle / "mgus2_cr.csv")
    columns, months = ["age", "male", "mspike", "hgb"], (60, 120, 240)
    model = fine_gray(table, columns, "etime", "ev")
    expected = [published[f"crr_coef[{column}]"] for column in columns]
    assert np.ravel(model.coef_) == pytest.approx(expected, abs=1e-6)
    predicted = model.predict_cumulative_incidence(table[columns].to_numpy(float)[:3], months)
    for k, month in enumerate(months):
        incidence = [published[f"crr_cif_t{month}[{row}]"] for row in (1, 2, 3)]
        assert predicted[:, k] == pytest.approx(incidence, abs=1e-7)
    risks = pd.read_csv(oracle / "mgus2_risk.csv").to_numpy()[:, :3]
    train, test = table.iloc[::2], table.iloc[1::2]
    halves = fine_gray(train, columns, "etime", "ev")
    new = halves.predict_cumulative_incidence(test[columns].to_numpy(float), months)
    assert new == pytest.approx(risks, abs=1e-6)


def mclernon_columns(over_20, over_50, nodes, grade):
    """Size classes, positive nodes (at most 19) as a cubic spline with knots 0, 1, 9, grade 3."""
    nodes = np.minimum(nodes.to_numpy(float), 19)
    cubes = [np.maximum(nodes - knot, 0) ** 3 for knot in (0, 1, 9)]
    bend = (cubes[0] - cubes[1] * 9 / 8 + cubes[2] / 8) / 81
    return np.column_stack([over_20, over_50, nodes, bend, grade == 3]).astype(float)


def test_external_validation_of_mclernon(oracle):
    """Rotterdam to GBSG as published in Ann Intern Med 2023;176:105, to the digits printed."""
    old = pd.read_csv(oracle / "rotterdam.csv")
    x = mclernon_columns(old["size"] == "20-50", old["size"] == ">50", old["nodes"], old["grade"])
    years = np.where(old["recur"] == 1, old["rtime"], old["dtime"]) / 365.25
    relapse = (np.maximum(old["recur"], old["death"]) == 1) & (years <= 5)
    years = np.minimum(years, 5)
    fit = fit_cox(x, years, relapse)
    assert fit.coefficients.round(5).tolist() == [0.34184, 0.57355, 0.30397, -0.81117, 0.36171]

    new = pd.read_csv(oracle / "gbsg.csv")
    x_new = mclernon_columns(
        new["size"].gt(20) & new["size"].le(50), new["size"].gt(50), new["nodes"], new["grade"]
    )
    time, event = columns_of(new, "rfstime", "status")
    time = time / 365.25
    event = np.where(time > 5, 0, event)
    time = np.minimum(time, 5)
    lp = (x_new - x.mean(axis=0)) @ fit.coefficients
    sample, folds = Resamples.draw(time, event, 0, 1), no_folds(len(time))
    assert round(cox_slope(lp[None], folds, sample)[0], 4) == 1.0562
    assert round(concordance(lp[None], folds, sample, weighted=False)[0], 3) == 0.652
    assert round(concordance(lp[None], folds, sample, tau=5.0)[0], 3) == 0.635
    # Nobody is followed beyond 5 years; the publication evaluates just before.
    likelihood = EfronLikelihood(years, relapse)
    hazard = likelihood.baseline((x - x.mean(axis=0)) @ fit.coefficients)
    total = hazard[likelihood.times <= 4.99].sum()
    risk = 1 - np.exp(-np.exp(lp) * total)[None]
    values = {k: v[0] for k, v in calibration(risk, sample, 4.99).items()}
    assert round(auc(risk, folds, sample, 4.99)[0], 3) == 0.677
    assert round(values["brier"], 3) == 0.225
    assert round(values["ipa"], 3) == 0.101
    assert round(values["oe_ratio"], 4) == 1.0174
    smooth = smooth_of(risk[0], time, event, 4.99)
    assert round(smooth.ici[0], 4) == 0.0301
    assert round(net_benefit(risk, sample, 4.99, 0.23)[0], 4) == 0.3615


def test_diagnosis_of_hosmer_and_lemeshow(shared_data):
    """GLOW500, the teaching table of Applied Logistic Regression, 3rd edition (2013)."""
    table = pd.read_csv(shared_data / "fracture" / "glow500.csv")
    fractured = (table["fracture"] == "Yes").to_numpy(int)
    yes = table[["priorfrac", "premeno", "momfrac", "armassist"]].eq("Yes").astype(float)
    same, greater = table["raterisk"].eq("Same"), table["raterisk"].eq("Greater")
    prior, early, mother, arms = yes.to_numpy().T

    def fit(*columns):
        x = np.column_stack(columns).astype(float)
        model = logistic(x, fractured, np.ones(len(x)))
        return model.coef_[0], model.predict_proba(x)[:, 1]

    coefficients, risk = fit(table["age"], table["weight"], prior, early, same, greater)
    assert coefficients[[0, 2]].round(5).tolist() == [0.05014, 0.67946]
    assert round(np.log(np.where(fractured, risk, 1 - risk)).sum(), 4) == -259.0377
    own = (table["age"], table["height"], prior, mother, arms, greater)
    _, risk = fit(*own, table["age"] * prior, mother * arms)
    sample = Resamples.draw(np.where(fractured, 0.5, 1.5), fractured, 0, 1)
    assert round(auc(risk[None], no_folds(500), sample, 1.0)[0], 4) == 0.7286
    # Judged on its own patients, a logistic model is calibrated.
    assert logistic_slope(risk[None], fractured, sample.counts)[0] == pytest.approx(1, abs=1e-5)
    ratio = calibration(risk[None], sample, 1.0)["oe_ratio"][0]
    assert ratio == pytest.approx(1, abs=1e-8)
