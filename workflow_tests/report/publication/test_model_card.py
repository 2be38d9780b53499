"""The model card, all files together, what the report shows of them, and the rule."""

import hashlib

import jinja2
import pandas as pd
import pytest

import bonecast.report.publication as publication
from bonecast.report.artefacts import FILES, read_artefacts
from bonecast.report.model_card import model_card
from bonecast.report.publication import write_publication
from bonecast.report.publication_page import PUBLICATION_FILES, publication_facts
from bonecast.report.sample_size import sample_size_table

NAMES = ("table_one", "sample_size", "tripod_ai", "metrics_checklist", "model_card")


def card(artefacts):
    return model_card(artefacts, sample_size_table(artefacts))


def part(text, heading):
    """One section of a card."""
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_card_says_what_the_results_say(artefacts):
    text = card(artefacts())
    assert text.startswith("# Model card: fracture\n")
    assert "absolute risk of a first fracture by 1 and 3 years" in text
    assert "not for decisions on patients" in part(text, "Intended use")
    assert "60 patients, 20 fractures, 4 deaths" in part(text, "Where it comes from")
    # Terms with an effect on the fracture: death's do not count, nor one of exactly 0.
    inputs = part(text, "Inputs")
    assert "| Clinical | 3 | 1 |" in inputs and "| Multimodal | 73 | 2 |" in inputs
    assert inputs.index("`rad_00` | -0.400") < inputs.index("`age_years` | +0.250")
    assert "rad_01" not in inputs and "90 %" in inputs
    assert "| Radiomics | 0.640 (0.540\N{EN DASH}0.740)" in part(text, "Performance")
    assert "| Clinical | 0.610" in part(text, "Calibration")
    assert "- Rad_69 is constant." in part(text, "Limits")
    assert "author to confirm" in part(text, "Ethics and consent")
    assert "snakemake predict" in part(text, "How to predict")
    assert "ab" * 32 in part(text, "Versions and checksum")


def test_suppressed_subgroups_are_named_without_numbers(artefacts):
    groups = part(card(artefacts()), "Subgroups")
    assert "| sex | F | 0.66 (0.56\N{EN DASH}0.76) | 60 | 20 |" in groups
    assert "| sex | M | not shown: fewer than 10 events |  |  |" in groups


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("osteoporosis", "the probability of what is predicted"),
        ("bmd", "Predicts what is predicted"),
    ],
)
def test_card_of_other_endpoints(artefacts, endpoint, words):
    text = card(artefacts(endpoint))
    assert words in text and "death" not in text.replace("deaths", "")
    assert "None" not in text and "nan" not in text
    assert ("60 patients, 20 with osteoporosis" in text) == (endpoint == "osteoporosis")
    # Everyone has a number: there are no events to count.
    assert ("| Patients | Events |" in text) == (endpoint == "osteoporosis")


def test_card_of_no_model(artefacts):
    nothing = dict.fromkeys(("metrics", "predictions", "subgroups", "coefficients"), pd.DataFrame())
    settings = {"status": "not_fitted", "detail": "3 fractures among 60 patients"}
    text = card(artefacts(settings=settings, model={}, **nothing))
    assert "No model was fitted: 3 fractures among 60 patients." in text
    assert "Validated within" not in text
    assert "No model was saved." in text and "snakemake predict" not in text


def test_a_learner_that_cannot_be_saved_is_said_so(artefacts):
    saved = {"models": {}, "detail": "a forest is not written to a file"}
    text = card(artefacts(model=saved))
    assert "No model was saved: a forest is not written to a file." in part(text, "How to predict")


@pytest.fixture
def written(artefacts, write_artefacts, tmp_path):
    """Folder of an endpoint with its publication tables."""
    folder = tmp_path / "models" / "fracture"
    made = artefacts()
    write_artefacts(made, folder)
    outputs = folder / "publication"
    outputs.mkdir()
    write_publication(
        {name: folder / file for name, file in FILES.items()},
        {name: outputs / file for name, (file, _) in zip(NAMES, PUBLICATION_FILES, strict=True)},
        "fracture",
        made.config,
        "0123abcd",
    )
    return folder


def test_files_are_written_from_files(written):
    text = (written / "publication" / "model_card.md").read_text(encoding="utf-8")
    checksum = hashlib.sha256((written / "model.json").read_bytes()).hexdigest()
    assert checksum in text and "0123abcd" in text
    table = pd.read_csv(written / "publication" / "tripod_ai.tsv", sep="\t", dtype=str)
    assert checksum in table.set_index("item").loc["22", "evidence"]


def test_levels_of_subgroups_stay_text(artefacts, write_artefacts, tmp_path):
    made = artefacts()
    made.subgroups["level"] = ["01", "None"]
    made.subgroups["subgroup"] = ["site", "contrast_phase"]
    write_artefacts(made, tmp_path / "fracture")
    paths = {name: tmp_path / "fracture" / file for name, file in FILES.items()}
    groups = part(card(read_artefacts(paths, "fracture", made.config)), "Subgroups")
    assert "| site | 01 | 0.66" in groups and "| contrast phase | None | not shown" in groups


def test_what_the_report_shows(written):
    facts = publication_facts(written / "settings.json")
    assert facts["groups"] == ["overall", "fracture", "death", "neither"]
    assert list(facts["sample_size"]) == ["Clinical", "Radiomics", "Multimodal"]
    assert sum(facts["checklists"]["TRIPOD+AI"].values()) == 52
    assert sum(facts["checklists"]["METRICS"].values()) == 30
    folder = publication.Path(publication.__file__).parent / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template("publication.html.j2").render(publication=facts)
    assert "20 fractures for 70 candidate parameters" in page
    assert 'href="models/fracture/publication/model_card.md"' in page
    assert "&lt;5" in page and "Age (years)" in page
    assert publication_facts(written.parent / "other" / "settings.json") is None


def test_rule_writes_all_of_it(artefacts, write_artefacts, run_snakemake, tmp_path):
    folder = tmp_path / "results" / "made_up" / "models" / "fracture"
    (tmp_path / "table.csv").write_text("participant_id\n", encoding="utf-8")
    write_artefacts(artefacts(), folder)
    model = {"table": "table.csv", "blocks": ["clinical"]}
    model["block_columns"] = {"clinical": ["age_years"]}
    target = f"results/made_up/models/fracture/publication/{NAMES[0]}.tsv"
    done = run_snakemake(
        target,
        "--allowed-rules",
        "write_publication_tables",
        config={"cohort": {"name": "made_up"}, "model": model},
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "publication").iterdir()) == sorted(
        name for name, _ in PUBLICATION_FILES
    )
