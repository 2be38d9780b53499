"""The rules of validation and prediction, run by Snakemake on small tables."""

import pandas as pd
import pytest


@pytest.fixture
def config(synthetic, tmp_path):
    """`config(name, patients, seed, **model)`: a configuration for a table of its own."""

    def build(name, patients, seed, **model):
        table = tmp_path / f"{name}.csv"
        synthetic(patients, seed).to_csv(table, index=False)
        columns = {"clinical": ["age_years", "sex", "bmi"], "hu": ["hu_vol_min_hu"]}
        model = {"blocks": ["clinical", "hu"], "block_columns": columns} | model
        model |= {"table": str(table), "learners": ["penalised"], "horizons_years": [2]}
        model |= {"bootstrap": 0, "curve_bootstrap": 0, "stability_bootstrap": 0}
        return {"cohort": {"name": name}, "model": model | {"folds": 2, "repeats": 1}}

    return build


def test_jobs_divided_otherwise_give_the_same_and_a_saved_model_travels(
    config, run_snakemake, tmp_path
):
    folder = tmp_path / "results" / "home" / "models" / "fracture"
    found = []
    for split in ("none", "folds"):
        home = config("home", 60, 1, split_jobs=split)
        targets = ["predictions.parquet", *(["model.json"] if split == "folds" else [])]
        done = run_snakemake(
            *(str(folder.relative_to(tmp_path) / target) for target in targets), config=home
        )
        assert done.returncode == 0, done.stderr
        found.append(pd.read_parquet(folder / "predictions.parquet"))
        (folder / "predictions.parquet").unlink()
    assert (folder / "validation" / "repeated_nested_cv" / "repeat1_fold2.parquet").exists()
    pd.testing.assert_frame_equal(*found, check_exact=True)

    model = folder / "model.json"
    away = config("away", 50, 2, external_model=str(model))
    new = tmp_path / "new.csv"
    columns = ["participant_id", "age_years", "sex", "bmi"]
    pd.read_csv(tmp_path / "away.csv")[columns].head(3).to_csv(new, index=False)
    away["predict"] = {"model": str(model), "table": str(new)}
    judged = "results/away/models/fracture/validation/external/all.parquet"
    done = run_snakemake("predict", judged, config=away)
    assert done.returncode == 0, done.stderr
    external = pd.read_parquet(tmp_path / judged)
    assert len(external) == 50 * 2
    predicted = pd.read_csv(tmp_path / "results/away/predicted/fracture.tsv", sep="\t")
    assert predicted["block"].tolist() == ["clinical"] * 3
    same = external.query("block == 'clinical'").head(3)
    assert predicted["predicted"].tolist() == same["predicted"].tolist()
