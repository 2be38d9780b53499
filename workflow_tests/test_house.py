"""What holds for the project as a whole: names that agree, nothing that does not belong."""

import ast
import platform
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

import bonecast

LARGEST_FILE_BYTES = 1_000_000
LARGEST_MODEL_BYTES = 15_000_000
"""The embedded network may be this large; no other file has a reason to be."""


@pytest.fixture(scope="module")
def tracked(repo) -> list[Path]:
    """Every file under version control."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repo, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout: tracked files are unknown")
    return [repo / name for name in done.stdout.split("\0") if name and (repo / name).is_file()]


@pytest.fixture(scope="module")
def rules(repo) -> dict[str, str]:
    """Text of every rule by name, as written in rules/*.smk."""
    found = {}
    for path in sorted((repo / "rules").glob("*.smk")):
        blocks = re.split(r"^rule (\w+):\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= dict(zip(blocks[1::2], blocks[2::2], strict=True))
    return found


def directive(block: str, name: str) -> str:
    """The lines of one directive of a rule, empty where it has none."""
    match = re.search(rf"^    {name}:\n((?:        .*\n|\n)+)", block, flags=re.MULTILINE)
    return match[1].strip() if match else ""


PAGES = sorted(f"docs/{path.name}" for path in Path(__file__).parents[1].glob("docs/*.md"))


def named_targets(repo: Path) -> set[str]:
    """Rules of the Snakefile itself: what a user may ask for by name."""
    text = (repo / "Snakefile").read_text(encoding="utf-8")
    return set(re.findall(r"^rule (\w+):", text, flags=re.MULTILINE))


def make_targets(repo: Path) -> set[str]:
    text = (repo / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, flags=re.MULTILINE))


def test_rule_script_log_and_benchmark_have_one_name(rules):
    for name, block in rules.items():
        assert directive(block, "script") == f'"../scripts/{name}.py"', name
        # A rule without outputs runs whenever it is asked for; a benchmark would be its output.
        for kind in ("log", "benchmark") if directive(block, "output") else ("log",):
            path = directive(block, kind)
            assert f"{kind}s" in path and name in path, f"{name}: {kind} {path or 'missing'}"


def test_every_adapter_belongs_to_a_rule_and_runs_inside_a_job(repo, rules):
    adapters = {path.stem: path.read_text(encoding="utf-8") for path in repo.glob("scripts/*.py")}
    assert adapters.keys() == rules.keys()
    for name, text in adapters.items():
        assert text.startswith('"""'), f"{name}: no docstring"
        assert "with job(snakemake)" in text, f"{name}: no log"


def test_library_knows_nothing_of_snakemake(repo):
    for path in (repo / "scripts" / "bonecast").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) snakemake", text, re.MULTILINE), path.name


NEEDLESS = {
    "check_demo": {"images"},
    "collect_measurements": {"images", "segment/tissues"},
    "draw_deformities_by_level": {"images", "measure", "segment/tissues"},
    "draw_example_segmentations": {"images", "measure"},
    "draw_body_composition": {"images", "measure", "phases", "segment/tissues"},
    "draw_hu_by_level_and_age": {"images", "measure"},
    "draw_vbmd_by_age": {"images", "measure", "phases", "segment/tissues"},
    "admit_patients": {"cohort"},
    "judge_models": {"cohort"},
    "predict_risks": {"cohort"},
    "export_for_editing": {"images"},
    "find_segmentation_outliers": {"images", "measure/columns", "measure/tables"},
    "ingest_scan": {"cohort", "sessions"},
    "deidentify_series": {"cohort", "sessions"},
    "label_vertebrae": {"cohort", "segment/model_folder", "segment/raw", "sessions"},
    "match_calibration": {"sessions"},
    "measure_scan": {"report/palette"},
    "perturb_radiomics": {"measure", "phases", "segment/tissues"},
    "segment_batch": {"images"},
    "write_report": {"images", "measure", "phases", "segment/tissues"},
}
"""Modules, or folders of them, that a rule imports and need not name: what it takes from them
changes no result, or their edits reach it through an input that is made again. The levels' colours
are left to the next run that names vertebrae: a new colour must not measure a cohort again."""


@cache
def imports_of(script: Path) -> set[str]:
    """What a file imports of the library, as paths of modules that may be there."""
    found = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("bonecast"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            found |= {name.partition(".")[2].replace(".", "/") for name in names}
    return found


def imported_modules(library: Path, script: Path) -> set[str]:
    """Every library module that a script imports, and those they import, as paths."""
    found: set[str] = set()
    waiting = [script]
    while waiting:
        for path in imports_of(waiting.pop()) - found:
            if (library / f"{path}.py").is_file():
                found.add(path)
                waiting.append(library / f"{path}.py")
    return found


def test_digests_cover_the_modules_an_adapter_imports(repo, rules):
    """A rule reruns when a library module that it uses, directly or not, is edited."""
    shared = {"digest", "runtime", "staging", "refusal", "reasons", "levels", "inputs", "private"}
    shared |= {"storage"}
    # One fills a cache that is right or absent; the other trains anew only when asked by name.
    without = {"compile_radiomics", "train_embedded_model"}
    missing = []
    text = "".join(path.read_text(encoding="utf-8") for path in (repo / "rules").glob("*.smk"))
    constants = dict(re.findall(r"^([A-Z_]+) = \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL))
    for name in rules.keys() - without:
        # Of the call alone: config["segment"] among the params names no module.
        digest = re.search(r"code_digest\((.*?)\)", directive(rules[name], "params"), re.DOTALL)
        called = digest[1] if digest else ""
        while "*" in called:  # a constant may hold another
            called = re.sub(r"\*([A-Z_]+)", lambda m: constants[m[1]], called)
        named = re.findall(r'"([\w/]+?)(?:\.py)?"', called)
        modules = imported_modules(repo / "scripts" / "bonecast", repo / "scripts" / f"{name}.py")
        named += shared | NEEDLESS.get(name, set())
        for path in sorted(modules):
            if not any(path == entry or path.startswith(f"{entry}/") for entry in named):
                missing.append(f"{name}: {path}.py")
    assert missing == []


def test_default_profile_names_rules_that_exist(repo, rules):
    profile = yaml.safe_load((repo / "profiles/default/config.yaml").read_text(encoding="utf-8"))
    for key in ("set-threads", "set-resources", "groups"):
        unknown = set(profile.get(key, {})) - rules.keys()
        assert not unknown, f"profiles/default: {key} names {unknown}"


def test_no_file_names_this_machine_or_a_user(tracked, repo):
    folders = [re.escape(f"{folder}/") for folder in (repo, Path.home()) if folder != Path("/")]
    names = [re.escape(platform.node())] if len(platform.node()) > 5 else []
    # Not preceded by a name: ../home/scans is a relative path.
    here = rf"(?<![\w.])(?:{'|'.join([*folders, *names])})"
    anywhere = rf"{here}|(?<![\w.])/(?:home|Users)/\w+"
    for path in tracked:
        # A test that folders are taken out of a text needs one to take out.
        pattern = here if repo / "workflow_tests" in path.parents else anywhere
        match = re.search(pattern, path.read_bytes().decode("utf-8", errors="ignore"))
        assert not match, f"{path.relative_to(repo)}: {match and match[0]}"


def test_no_large_file_is_tracked(tracked, repo):
    for path in tracked:
        in_model = (repo / "resources" / "embedded_model") in path.parents
        limit = LARGEST_MODEL_BYTES if in_model else LARGEST_FILE_BYTES
        assert path.stat().st_size <= limit, path.relative_to(repo)


def test_citation_names_this_version_and_licence(repo):
    citation = yaml.safe_load((repo / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["type"] == "software"
    assert citation["version"] == bonecast.__version__
    assert citation["license"] == "GPL-3.0-or-later"
    newest = re.search(
        r"^## (\S+)", (repo / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert newest[1] == bonecast.__version__


@pytest.mark.parametrize("page", [*PAGES, "README.md", "CONTRIBUTING.md"])
def test_commands_and_links_of_a_page_exist(repo, rules, page):
    text = (repo / page).read_text(encoding="utf-8")
    commands = set(re.findall(r"^make (\w+(?: \w+)*)", text, flags=re.MULTILINE))
    commands |= set(re.findall(r"`make (\w+)", text))
    words = {word for command in commands for word in command.split()}
    assert words <= make_targets(repo)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    for link in filter(None, links):
        assert link.startswith("https://") or (repo / page).parent.joinpath(link).exists(), link
    targets = set(re.findall(r"(?:`|^ *|/)snakemake ([a-z]\w*)(?!\w*/)", text, flags=re.MULTILINE))
    assert targets <= rules.keys() | named_targets(repo)
    for config in re.findall(r"--configfile (config/\S+)", text):
        assert (repo / config).is_file(), config


def test_ci_runs_the_readmes_test_command(repo):
    assert "make test" in (repo / "README.md").read_text(encoding="utf-8")
    ci = (repo / ".ci" / "run").read_text(encoding="utf-8")
    assert ci.rstrip().endswith("exec make test")


def test_the_lock_pins_and_hashes_every_direct_dependency(repo):
    wanted = {
        re.split(r"[=<>]", line)[0].strip().lower().replace("_", "-")
        for line in (repo / "envs/requirements.in").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    lock = (repo / "envs/requirements.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==[^\\]+\\\n\s+--hash=(\w+):", lock, re.MULTILINE))
    assert wanted <= {name.lower() for name in pinned}
    assert set(pinned.values()) == {"sha256"}
    assert len(pinned) == len(re.findall(r"^\w", lock, re.MULTILINE))


def test_every_recipe_is_built_on_the_lock(repo):
    envs = repo / "envs"
    conda = yaml.safe_load((envs / "environment.yml").read_text(encoding="utf-8"))
    assert conda["channels"] == ["conda-forge", "nodefaults"]
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}
    for recipe in ("Dockerfile", "bonecast.def"):
        text = (envs / recipe).read_text(encoding="utf-8")
        assert "python:3.12" in text and "--require-hashes" in text
        assert "envs/requirements.txt /opt/bonecast/requirements.txt" in text
        for path in re.findall(r"\benvs/[\w.]+", text):
            assert (repo / path).exists() or path.endswith(".sif"), path
