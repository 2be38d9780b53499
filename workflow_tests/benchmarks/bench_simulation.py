"""Do the intervals hold? Simulated cohorts whose true risks are known (not in `make bench`: long).

Each cohort goes through the recipe and the metrics as a user's does: once by cross-validation, once
fitted on all of it and validated in a new sample of the same size. The truth of an interval is:

- cross-validation: the mean true performance of the models of the folds (Bates, Hastie and
  Tibshirani, J Am Stat Assoc 2024;119:1434; Bayle et al., NeurIPS 2020);
- external validation: the true performance of the one model;
- hazard ratios: the coefficients that made the data.

Performance is truly known because it is computed from true risks of many further patients. Writes
every interval, a summary, and a figure.
"""

import argparse
import logging
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402
from draw_simulation import draw  # noqa: E402
from joblib import Parallel, delayed  # noqa: E402
from scipy.interpolate import RectBivariateSpline  # noqa: E402

from bonecast.model import EXTERNAL  # noqa: E402
from bonecast.model.designs import Split, repeated_cv, seed_of  # noqa: E402
from bonecast.model.hazard_ratios import hazard_ratios  # noqa: E402
from bonecast.model.learners import learners_of  # noqa: E402
from bonecast.model.learners.settings import learner_settings  # noqa: E402
from bonecast.model.metrics import judge_predictions  # noqa: E402
from bonecast.model.recipe import Recipe  # noqa: E402
from bonecast.model.risk import absolute_risk  # noqa: E402
from bonecast.model.validate import Problem, tidy  # noqa: E402
from bonecast.phantom.patients import (  # noqa: E402
    BLOCKS,
    FRACTURE_EFFECTS,
    SimulatedPatients,
    draw_patients,
)
from bonecast.phantom.truth import true_auc, true_brier, true_concordance, true_ipa  # noqa: E402

HORIZONS = (2.0, 5.0)
TAU = HORIZONS[-1]
REFERENCE = "clinical"
LARGE = 20_000
"""Patients on whom the true performance of a model is computed."""
ORACLE = 1_000_000
COMPARED = ("c_index", "auc_t", "brier")
MODELLED = ("clinical", "multimodal")
"""Blocks judged: a narrow model (ridge) that lacks true terms, a wide one (elastic net) that has
them all among noise."""
KEYS = ["design", "block", "metric", "horizon_years"]
QUINTILES = 5
NODES = 30
"""Of each linear predictor, between which risks are interpolated."""
AT_ONCE = 10
"""Cohorts of each size between two looks at the results."""
FEATURES = {
    "status": "ok",
    "endpoint": "fracture",
    "kind": "survival",
    "blocks": {name: list(columns) for name, columns in BLOCKS.items()},
    "scores": [],
    "horizons_years": list(HORIZONS),
    "death_columns": ["age_years", "sex_male"],
    "reference": REFERENCE,
}
"""features.json of every cohort."""


def settings_of(folds: int, repeats: int, bootstrap: int) -> dict:
    """The section `model` of the configuration: its defaults, but for what makes it fast."""
    section = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))["model"]
    changed = {"folds": folds, "repeats": repeats, "bootstrap": bootstrap, "curve_bootstrap": 0}
    changed |= {"learners": ["penalised"], "l1_ratios": [0.5], "subgroups": [], "thresholds": []}
    return section | changed


def problem_of(frame: pd.DataFrame) -> Problem:
    """The analysis set as the rules hand it on."""
    problem = Problem.of(frame, FEATURES, [*BLOCKS, "multimodal"])
    return replace(problem, layouts={name: problem.layouts[name] for name in MODELLED})


def risks_of_many(recipe: Recipe, patients) -> np.ndarray:
    """`recipe.predict(patients).predicted` of many patients, interpolated between few.

    The risk is a smooth function of two linear predictors.

    Raises:
        ArithmeticError: the interpolation is off by more than 1e-4.
    """
    fitted = recipe.fitted
    lp = fitted.linear_predictor(recipe.transform.apply(patients))
    lp_death = recipe.death_preparation.apply(patients.x_death) @ fitted.death_coefficients
    axes = [np.linspace(v.min() - 1e-6, v.max() + 1e-6, NODES) for v in (lp, lp_death)]
    nodes = np.meshgrid(*axes, indexing="ij")
    risks = absolute_risk(fitted.baseline, nodes[0].ravel(), nodes[1].ravel(), np.array(HORIZONS))
    risks = np.log(np.clip(risks, 1e-12, None)).reshape(NODES, NODES, len(HORIZONS))
    columns = [
        np.exp(RectBivariateSpline(*axes, risks[:, :, h]).ev(lp, lp_death))
        for h in range(len(HORIZONS))
    ]
    predicted = np.column_stack(columns)
    some = slice(0, 50)
    exact = absolute_risk(fitted.baseline, lp[some], lp_death[some], np.array(HORIZONS))
    if np.abs(predicted[some] - exact).max() > 1e-4:
        raise ArithmeticError(f"interpolated risks off by {np.abs(predicted[some] - exact).max()}")
    return predicted


def true_performance(predicted: np.ndarray, patients: SimulatedPatients) -> dict:
    """(metric, horizon) to its true value; `oe_ratio` as its two parts, to average over models."""
    risk = patients.risk(HORIZONS)
    values = {("c_index", np.nan): true_concordance(predicted[:, -1], patients, TAU)}
    for h, horizon in enumerate(HORIZONS):
        values["auc_t", horizon] = true_auc(predicted[:, h], risk[:, h])
        values["brier", horizon] = true_brier(predicted[:, h], risk[:, h])
        values["ipa", horizon] = true_ipa(predicted[:, h], risk[:, h])
        values["expected", horizon] = predicted[:, h].mean()
    return values


def mean_performance(of_models: list[dict], patients: SimulatedPatients) -> dict:
    """Targets of one design and block from the true performance of its models."""
    means = {key: np.mean([model[key] for model in of_models]) for key in of_models[0]}
    for horizon, risk in zip(HORIZONS, patients.risk(HORIZONS).mean(axis=0), strict=True):
        means["oe_ratio", horizon] = risk / means.pop(("expected", horizon))
    return means


class Study:
    """One simulated cohort on its way through the models."""

    def __init__(self, size: int, repeat: int, settings: dict, many: SimulatedPatients):
        self.size, self.repeat, self.settings, self.many = size, repeat, settings, many
        self.fitting = learner_settings(settings)
        ((self.learner, self.fit),) = learners_of("survival", ("penalised",)).items()
        many_problem = problem_of(many.frame)
        self.many_of = {block: many_problem.patients(block) for block in MODELLED}

    def run(self) -> list[dict]:
        """Every interval with its target, and biases of risk."""
        seed = seed_of(self.settings["seed"], self.size, self.repeat)
        cohort = draw_patients(self.size, seed)
        another = draw_patients(self.size, seed_of(seed, 1))
        problem = problem_of(cohort.frame)
        strata = problem.outcome.strata()
        folds, repeats = self.settings["folds"], self.settings["repeats"]
        rows = self.judge(cohort, repeated_cv(strata, folds, repeats, seed))
        frames = [cohort.frame, another.frame]
        both = SimulatedPatients(
            pd.concat(frames, ignore_index=True).assign(
                participant_id=[f"P{n:05d}" for n in range(2 * self.size)]
            ),
            np.concatenate([cohort.fracture_hazard, another.fracture_hazard]),
            np.concatenate([cohort.death_hazard, another.death_hazard]),
        )
        new = np.arange(2 * self.size) >= self.size
        rows += self.judge(both, [Split(EXTERNAL, 1, 1, ~new, new, seed)])
        rows += self.ratios(cohort.frame)
        return [{"size": self.size, "repeat": self.repeat} | row for row in rows]

    def judge(self, cohort: SimulatedPatients, splits: list[Split]) -> list[dict]:
        """Intervals and biases of one design."""
        problem = problem_of(cohort.frame)
        risk, tables, targets, biases = cohort.risk(HORIZONS), [], [], []
        for block, layout in problem.layouts.items():
            patients, many = problem.patients(block), self.many_of[block]
            predicted, truths = np.zeros(risk.shape), []
            for split in splits:
                recipe = Recipe.fit(
                    patients.take(split.train),
                    problem.outcome.take(split.train),
                    layout,
                    self.fit,
                    self.fitting,
                    HORIZONS,
                    split.seed,
                )
                prediction = recipe.predict(patients.take(split.test))
                named = {"design": split.design, "repeat": split.repeat, "fold": split.fold}
                named |= {"block": block, "learner": self.learner}
                tables.append(tidy(problem, split.test, prediction, named))
                predicted[split.test] += prediction.predicted / splits[-1].repeat
                truths.append(true_performance(risks_of_many(recipe, many), self.many))
            for (metric, horizon), target in mean_performance(truths, self.many).items():
                targets.append(
                    dict(zip(KEYS, (splits[0].design, block, metric, horizon), strict=True))
                )
                targets[-1]["target"] = target
            held = np.any([split.test for split in splits], axis=0)
            biases += biases_of(predicted[held], risk[held], splits[0].design, block)
        targets = pd.DataFrame(targets)
        targets = pd.concat([targets, differences(targets)], ignore_index=True)
        metrics = self.metrics(problem, pd.concat(tables, ignore_index=True))
        found = metrics.merge(targets, on=KEYS, how="inner", validate="one_to_one")
        return found[[*KEYS, "value", "lower", "upper", "target"]].to_dict("records") + biases

    def metrics(self, problem: Problem, predictions: pd.DataFrame) -> pd.DataFrame:
        """metrics.tsv of the predictions."""
        log = logging.getLogger("simulation")
        judged = judge_predictions(problem.frame, [predictions], FEATURES, self.settings, log)
        return judged[1]["metrics"]

    def ratios(self, frame: pd.DataFrame) -> list[dict]:
        """Hazard ratios of the true model per unit, and the truth."""
        terms = list(FRACTURE_EFFECTS)
        table = hazard_ratios(frame, "fracture", {"truth": terms})
        table = table[table["unit"] == "1"]
        return [
            {
                "design": "hazard_ratio",
                "block": row["term"],
                "metric": "hazard_ratio",
                "horizon_years": np.nan,
                "value": row["hr"],
                "lower": row["lower"],
                "upper": row["upper"],
                "target": np.exp(FRACTURE_EFFECTS[row["term"]]),
            }
            for row in table.to_dict("records")
        ]


def differences(targets: pd.DataFrame) -> pd.DataFrame:
    """Targets of the differences from the reference block."""
    compared = targets[targets["metric"].isin(COMPARED)]
    base = compared[compared["block"] == REFERENCE].drop(columns="block")
    both = compared[compared["block"] != REFERENCE].merge(
        base, on=["design", "metric", "horizon_years"], suffixes=("", "_of_reference")
    )
    both["target"] -= both.pop("target_of_reference")
    return both.assign(metric="delta_" + both["metric"])


def biases_of(predicted: np.ndarray, risk: np.ndarray, design: str, block: str) -> list[dict]:
    """Mean of predicted less true risk at the last horizon, of all and by fifths of true risk."""
    error, truth = predicted[:, -1] - risk[:, -1], risk[:, -1]
    fifth = np.argsort(np.argsort(truth)) * QUINTILES // len(truth)
    groups = {"all": np.ones(len(truth), dtype=bool)}
    groups |= {f"fifth {k + 1}": fifth == k for k in range(QUINTILES)}
    return [
        {
            "design": design,
            "block": block,
            "metric": f"risk, {name}",
            "horizon_years": TAU,
            "value": error[group].mean(),
            "lower": np.nan,
            "upper": np.nan,
            "target": truth[group].mean(),
        }
        for name, group in groups.items()
    ]


def oracle(patients: int) -> dict:
    """(metric, horizon) to its value for the true risk itself."""
    truth = draw_patients(patients, seed_of(2, patients))
    return true_performance(truth.risk(HORIZONS), truth)


def summarise(rows: pd.DataFrame, best: dict) -> pd.DataFrame:
    """Coverage, estimate, target, bias by size, design, block and metric.

    Args:
        best: the oracle's values.
    """
    keys = ["size", *KEYS]
    rows = rows.assign(error=rows["value"] - rows["target"])
    rows["covered"] = (rows["lower"] <= rows["target"]) & (rows["target"] <= rows["upper"])
    rows["width"] = rows["upper"] - rows["lower"]
    rows["below"] = rows["upper"] < rows["target"]
    rows["usable"] = rows["lower"].notna()
    groups = rows.groupby(keys, sort=False, dropna=False)
    table = groups[["value", "target", "error", "width"]].mean()
    table["error_sd"], table["repeats"] = groups["error"].std(), groups.size()
    for name in ("covered", "below"):
        counted = rows[rows["usable"]].groupby(keys, sort=False, dropna=False)[name].mean()
        table[name] = counted.reindex(table.index)
    table["intervals"] = groups["usable"].sum()
    table = table.reset_index()
    keyed = zip(table["metric"], table["horizon_years"], strict=True)
    exact = {(metric, str(horizon)): value for (metric, horizon), value in best.items()}
    table["oracle"] = [exact.get((metric, str(horizon)), np.nan) for metric, horizon in keyed]
    return table


def say(line: str) -> None:
    """Progress, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000, 3000])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--cv-repeats", type=int, default=1, help="of each cross-validation")
    parser.add_argument("--bootstrap", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("results/simulation"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    settings = settings_of(options.folds, options.cv_repeats, options.bootstrap)
    best = oracle(ORACLE)
    many = draw_patients(LARGE, seed_of(3))
    rows, seconds = [], dict.fromkeys(options.sizes, 0.0)
    with Parallel(n_jobs=options.jobs) as pool:
        for first in range(0, options.repeats, AT_ONCE):
            repeats = range(first, min(first + AT_ONCE, options.repeats))
            for size in options.sizes:
                runs = (delayed(one_study)(size, repeat, settings, many) for repeat in repeats)
                for of_one, taken in pool(runs):
                    rows += of_one
                    seconds[size] += taken
            write(pd.DataFrame(rows), best, options.out)
            say(
                f"{repeats.stop} cohorts of each size; CPU seconds a cohort: "
                + ", ".join(f"{s / repeats.stop:.1f} ({n})" for n, s in seconds.items())
            )


def write(rows: pd.DataFrame, best: dict, folder: Path) -> None:
    """Every interval, the summary and its figure, of what has been simulated so far."""
    rows.to_csv(folder / "intervals.tsv", sep="\t", index=False, float_format="%.6g")
    summary = summarise(rows, best)
    summary.to_csv(folder / "summary.tsv", sep="\t", index=False, float_format="%.4g")
    draw(summary, folder)


def one_study(size: int, repeat: int, settings: dict, many: SimulatedPatients):
    """Rows of one cohort, and the CPU seconds it took."""
    started = time.process_time()
    rows = Study(size, repeat, settings, many).run()
    return rows, time.process_time() - started


if __name__ == "__main__":
    main()
