"""provenance.json: as its schema says, complete, and of nobody."""

import hashlib
import json
from dataclasses import replace

import jsonschema
import pytest
import yaml

from bonecast.provenance.checksums import input_digests, keyed_digest
from bonecast.provenance.options import (
    INPUT_TABLES,
    PRIVATE_OPTIONS,
    SEEDS,
    option,
    without_paths,
)
from bonecast.provenance.record import record


@pytest.fixture(scope="module")
def schema(repo):
    path = repo / "rules" / "schemas" / "provenance.schema.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_it_is_what_the_schema_says(cohort, schema):
    found = json.loads(json.dumps(record(cohort)))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"host": "a"}, schema)


def test_every_table_model_and_figure_has_its_checksum_and_nothing_else(cohort, results):
    outputs = record(cohort)["outputs"]
    assert list(outputs) == [
        "figures/roi_agreement.csv",
        "models/fracture/settings.json",
        "tables/scans.parquet",
        "tables/scans.tsv",
    ]
    content = (results / "tables/scans.tsv").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert outputs["tables/scans.tsv"] == {"sha256": digest, "bytes": len(content)}
    (results / "tables/.collect.part").mkdir()
    (results / "tables/.collect.part/scans.tsv").write_text("half", encoding="utf-8")
    assert record(cohort)["outputs"] == outputs


def test_stages_tell_programs_weights_and_gpu_with_numbers_of_scans(cohort):
    stages = record(cohort)["stages"]
    assert stages["convert"] == [{"program": "dcm2niix 1.0", "scans": 2}]
    assert [(way["corrected"], way["scans"]) for way in stages["segment"]] == [
        (False, 1),
        (True, 1),
    ]
    assert {way["gpu"] for way in stages["segment"]} == {"NVIDIA H100"}
    assert stages["segment"][0]["model"]["sha256"] == "ab" * 32
    assert stages["models"] == {"fracture": {"numpy": "2.4.6"}}


def test_nothing_names_a_path_or_a_patient(cohort):
    text = json.dumps(record(cohort))
    assert "Doe" not in text and "/data" not in text
    assert record(cohort)["config"]["cohort"]["input"] == "<cohort.input>"
    assert record(cohort)["config"]["segment"]["model"] == "resources/embedded_model"


def test_scans_are_told_by_digests_that_only_the_secret_opens(cohort):
    scans = record(cohort)["inputs"]["scans"]
    assert scans == {"p1": keyed_digest(b"aa", b"random"), "p2": keyed_digest(b"bb", b"random")}
    other = record(replace(cohort, secret=b"else"))["inputs"]["scans"]
    assert not set(scans.values()) & set(other.values())
    assert "aa" not in scans.values()


def test_digests_of_the_input_change_with_its_content_alone(tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("a\n", encoding="utf-8")
    two.write_text("a\n", encoding="utf-8")
    found = input_digests({"one": str(one), "two": str(two), "none": ""}, b"s")
    assert found.keys() == {"one", "two"} and found["one"] == found["two"]
    two.write_text("b\n", encoding="utf-8")
    assert input_digests({"two": str(two)}, b"s")["two"] != found["two"]


def test_paths_that_leave_the_own_folders_are_hidden():
    config = {"cohort": {"clinical": "resources/../Doe.csv", "participants": "resources/p.tsv"}}
    assert without_paths(config)["cohort"] == {
        "clinical": "<cohort.clinical>",
        "participants": "resources/p.tsv",
    }


def string_options(schema: dict, name: str = ""):
    """Every option that may be a free string, by its dotted name, with its description."""
    for key, part in schema["properties"].items():
        full = f"{name}.{key}".lstrip(".")
        if "properties" in part:
            yield from string_options(part, full)
        elif "string" in (part.get("type") or ()) and not ({"enum", "pattern"} & part.keys()):
            yield full, part["description"]


def test_every_option_that_may_be_a_path_is_hidden(repo):
    path = repo / "rules" / "schemas" / "config.schema.yaml"
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    options = dict(string_options(schema))
    # Names of columns and of a block, and words in the user's tables, are shown.
    shown = ("model.columns.", "model.event_codes.")
    names = {name for name in options if name.startswith(shown)}
    names |= {"model.reference", "predict.block"}
    assert set(options) - names == set(PRIVATE_OPTIONS)
    assert set(INPUT_TABLES) <= set(PRIVATE_OPTIONS)


def test_seeds_are_all_those_of_the_configuration(repo):
    config = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))

    def seeds(part: dict, name: str):
        for key, value in part.items():
            if isinstance(value, dict):
                yield from seeds(value, f"{name}{key}.")
            elif key == "seed":
                yield f"{name}{key}"

    # The embedded network was trained once; its weights have a checksum.
    assert set(seeds(config, "")) - {"train.seed"} == set(SEEDS)
    assert all(isinstance(option(config, name), int) for name in SEEDS)
