"""The log file around an adapter's call, and JSON on disk."""

import logging
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from snakemake.iocontainers import OutputFiles

from bonecast.refusal import Refusal
from bonecast.runtime import job, read_json, write_json


@pytest.fixture
def injected(tmp_path):
    """What Snakemake injects into a script, as far as `job` looks at it."""
    return SimpleNamespace(
        rule="measure_scan",
        wildcards={"participant": "p01"},
        log=[str(tmp_path / "logs" / "p01.log")],
        output=OutputFiles(),
    )


def lines_of(injected) -> list[str]:
    return Path(injected.log[0]).read_text(encoding="utf-8").splitlines()


def test_log_names_rule_and_participant_first_and_time_last(injected):
    with job(injected) as log:
        log.info("three levels")
    first, middle, last = lines_of(injected)
    assert first.endswith("measure_scan participant=p01: started")
    assert middle.endswith("three levels")
    taken = r"participant=p01: done in [\d.]+ s; CPU since the process began: [\d.]+ s$"
    assert re.search(taken, last)


def test_exception_is_logged_with_participant_and_raised(injected):
    with pytest.raises(ZeroDivisionError), job(injected):
        1 / 0  # noqa: B018
    text = "\n".join(lines_of(injected))
    assert "participant=p01: failed after" in text
    assert "ZeroDivisionError" in text


def test_a_refusal_is_its_message_without_a_traceback(injected):
    refused = pytest.raises(SystemExit, match="p01: clinical.csv: column age is missing")
    with refused as ended, job(injected):
        raise Refusal("clinical.csv: column age is missing")
    assert ended.value.__suppress_context__
    assert "column age is missing" in lines_of(injected)[-1]
    assert not any("Traceback" in line for line in lines_of(injected))


def test_folders_and_uids_are_taken_out(injected):
    with job(injected) as log:
        log.info("reading %s", Path.home() / "scans" / "1.2.840.113619.2.55.3")
        log.info("from %s", Path.cwd() / "results")
    text = "\n".join(lines_of(injected))
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    assert "113619" not in text
    assert "<uid>" in text


def test_version_numbers_are_not_taken_for_uids(injected):
    with job(injected) as log:
        log.info("nibabel 5.3.2, spacing 0.7.1")
    assert "nibabel 5.3.2, spacing 0.7.1" in lines_of(injected)[1]


def test_what_libraries_print_or_warn_goes_to_the_log(injected, capsys):
    with job(injected):
        print("progress\rdone")
        logging.getLogger("some.library").warning("odd header")
    assert capsys.readouterr().out == ""
    text = "\n".join(lines_of(injected))
    assert "INFO done" in text
    assert "WARNING odd header" in text


def test_a_second_job_writes_to_its_own_log_only(injected, tmp_path):
    with job(injected):
        pass
    other = SimpleNamespace(
        rule="x", wildcards={}, log=[str(tmp_path / "other.log")], output=OutputFiles()
    )
    with job(other) as log:
        log.info("elsewhere")
    assert not any("elsewhere" in line for line in lines_of(injected))


def test_json_keeps_order_and_reads_back_numpy_values(tmp_path):
    path = tmp_path / "a.json"
    write_json({"z": np.float32(0.5), "a": np.arange(2), "n": np.int64(3), "b": np.True_}, path)
    assert list(read_json(path).items()) == [("z", 0.5), ("a", [0, 1]), ("n", 3), ("b", True)]


@pytest.mark.parametrize("value", [float("nan"), np.float64("inf")])
def test_json_refuses_numbers_that_are_not_finite(tmp_path, value):
    with pytest.raises(ValueError):
        write_json({"mean_hu": value}, tmp_path / "a.json")


def test_json_refuses_what_it_has_no_form_for(tmp_path):
    with pytest.raises(TypeError, match="Path"):
        write_json({"path": Path("a")}, tmp_path / "a.json")
