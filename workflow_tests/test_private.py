"""What libraries say while a patient's files are open."""

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import OutputFiles

from bonecast.private import InputFailure, nothing_quoted
from bonecast.reasons import Excluded, Reason
from bonecast.refusal import shown
from bonecast.runtime import job

NAME = "Zweigelstein"


@pytest.fixture
def injected(tmp_path):
    return SimpleNamespace(
        rule="ingest_scan",
        wildcards={"participant": "p01"},
        log=[str(tmp_path / "p01.log")],
        output=OutputFiles(),
    )


def log_of(injected) -> str:
    return Path(injected.log[0]).read_text(encoding="utf-8")


def test_an_exception_of_a_library_is_told_without_its_message(injected):
    with pytest.raises(SystemExit) as ended, job(injected), nothing_quoted():
        float(NAME)
    for text in (str(ended.value), log_of(injected)):
        assert NAME not in text
        assert "participant=p01: ValueError; its message is not shown" in text
        assert "float(NAME)" in text


def test_an_error_of_the_system_keeps_the_systems_words(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, nothing_quoted():
        (tmp_path / NAME).read_text()
    assert str(caught.value) == "[Errno 2] No such file or directory"
    assert caught.value.filename is None
    assert caught.value.__suppress_context__


def test_an_exception_of_our_own_passes_without_what_it_came_from():
    with pytest.raises(Excluded) as caught, nothing_quoted():
        try:
            float(NAME)
        except ValueError as error:
            raise Excluded(Reason.NOT_CT, "modality MR") from error
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_what_is_raised_by_a_statement_of_our_own_is_told(monkeypatch):
    """Such as: the input changed after its series were listed."""
    monkeypatch.setattr("bonecast.private.PACKAGE", Path(__file__).resolve().parent)
    with pytest.raises(RuntimeError, match="run again"), nothing_quoted():
        raise RuntimeError("the input changed; run again")
    with pytest.raises(InputFailure), nothing_quoted():
        float(NAME)
    monkeypatch.undo()
    with pytest.raises(InputFailure), nothing_quoted():
        raise RuntimeError("the same from elsewhere")


@pytest.mark.filterwarnings("default")
def test_what_libraries_log_warn_or_print_is_counted_and_dropped(injected, capfd):
    with job(injected) as log:
        with nothing_quoted() as terminal:
            print("half way", file=terminal, flush=True)
            logging.getLogger("pydicom").warning(NAME)
            warnings.warn(NAME, stacklevel=1)
            print(NAME)
            os.write(2, NAME.encode())
            subprocess.run([sys.executable, "-c", f"print('{NAME}')"], check=True)
            log.info("two series")
        logging.getLogger("numpy").warning("afterwards")
        print("printed afterwards")
    text = log_of(injected)
    out, err = capfd.readouterr()
    assert NAME not in text + out + err and err == "half way\n"
    assert "for they quote files: 2\n" in text
    assert "two series" in text and "afterwards" in text and "printed afterwards" in text


@pytest.mark.parametrize("cell", ["Doe", "20230615", "15.06.2023", "1.2.840.1", "HX77", "Li", "山"])
def test_cells_that_may_name_somebody_are_not_shown(cell):
    assert shown(cell) == f"a text of {len(cell)} characters"


@pytest.mark.parametrize("cell", ["", "-3.5", "24,5", "171", "1e308", "inf", "?", "L6", "x"])
def test_cells_that_name_nobody_are_shown(cell):
    assert shown(cell) == repr(cell)
