"""config.yaml, its schema, its documentation and the example cohorts say the same."""

import copy
import runpy
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate


@pytest.fixture(scope="module")
def schema_path(repo):
    return repo / "rules" / "schemas" / "config.schema.yaml"


@pytest.fixture(scope="module")
def schema(schema_path) -> dict:
    return yaml.safe_load(schema_path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def defaults(repo) -> dict:
    return yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))


def parts(schema: dict, name: str = ""):
    """Every object of the schema as (dotted name, object)."""
    yield name, schema
    for key, value in schema["properties"].items():
        if "properties" in value:
            yield from parts(value, f"{name}.{key}".strip("."))


def test_config_holds_exactly_the_defaults_of_the_schema(schema_path, defaults):
    filled: dict = {"cohort": {}}
    validate(filled, str(schema_path))
    assert filled == defaults


def test_every_object_is_closed_and_every_option_explained(schema):
    for name, part in parts(schema):
        assert part["additionalProperties"] is False, name
        for key, option in part["properties"].items():
            assert option["description"].endswith("."), f"{name}.{key}"
            assert "default" in option, f"{name}.{key}"


def test_documentation_is_made_from_this_schema(repo, schema):
    page = runpy.run_path(str(repo / "docs" / "configuration.py"))["page"]
    written = (repo / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == page(schema), "run: .venv/bin/python docs/configuration.py"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measure": {"min_level": 3}}, "min_level"),
        ({"segement": {}}, "segement"),
        ({"segment": {"backend": "nnunett"}}, "nnunett"),
        ({"measure": {"levels": ["L7"]}}, "L7"),
        ({"model": {"folds": "5"}}, "'5' is not of type 'integer'"),
        ({"cohort": {"name": "../else"}}, "../else"),
    ],
)
def test_a_mistake_is_answered_with_its_name(schema_path, defaults, change, message):
    config = copy.deepcopy(defaults)
    for key, value in change.items():
        config.setdefault(key, {}).update(value)
    with pytest.raises(WorkflowError) as caught:
        validate(config, str(schema_path))
    assert message in str(caught.value)


EXAMPLES = sorted((Path(__file__).parents[1] / "config").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_cohorts_are_valid(schema_path, path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    validate(config, str(schema_path))
    assert config["cohort"]["name"] != "demo"


def test_example_tables_lie_beside_the_configs_that_name_them(repo):
    named = set()
    for path in (repo / "config" / "examples").glob("*.yaml"):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))["cohort"].get("participants")
        if table:
            assert (repo / table).is_file(), path.name
            named.add(repo / table)
    assert named == set((repo / "config" / "examples").glob("*.tsv"))
