"""Two runs compared: what is the same, what differs and by how much."""

import json
import shutil

import pandas as pd
import pytest

from bonecast.provenance.compare import (
    DIFFERS,
    FIRST,
    SAME,
    SECOND,
    VALUES,
    NoResults,
    compare,
    main,
    table_difference,
)
from bonecast.provenance.record import record


@pytest.fixture
def other(results, tmp_path):
    return shutil.copytree(results, tmp_path / "other")


def states(first, second) -> dict[str, str]:
    return {item.name: item.state for item in compare(first, second)}


def test_a_copy_is_identical_whatever_its_logs_and_times(results, other, capsys):
    (other / "logs/run.log").write_text("took 9 s\n", encoding="utf-8")
    (other / "report.html").write_text("took 9 s\n", encoding="utf-8")
    assert set(states(results, other).values()) == {SAME}
    assert main([str(results), str(other)]) == 0
    assert capsys.readouterr().out == "4 of 4 results are identical\n"


def test_what_differs_is_told_with_its_size(results, other, capsys):
    table = pd.read_csv(other / "tables/scans.tsv", sep="\t")
    table.loc[0, "hu"] = 101.0
    table.to_csv(other / "tables/scans.tsv", sep="\t", index=False)
    (other / "figures/roi_agreement.csv").unlink()
    (other / "tables/more.csv").write_text("a\n", encoding="utf-8")
    assert states(results, other) == {
        "figures/roi_agreement.csv": FIRST,
        "models/fracture/settings.json": SAME,
        "tables/more.csv": SECOND,
        "tables/scans.parquet": SAME,
        "tables/scans.tsv": DIFFERS,
    }
    assert main([str(results), str(other)]) == 1
    line = "tables/scans.tsv (1 of 6 cells; at most 0.5 (0.0049 of the value), in hu)"
    assert line in capsys.readouterr().out


def test_the_same_values_in_other_bytes_are_no_difference(results, other):
    table = pd.read_parquet(other / "tables/scans.parquet")
    table.to_parquet(other / "tables/scans.parquet", compression="gzip")
    assert states(results, other)["tables/scans.parquet"] == VALUES
    assert main([str(results), str(other)]) == 0


def test_a_record_stands_for_the_folder(results, other, cohort, tmp_path):
    path = tmp_path / "provenance.json"
    path.write_text(json.dumps(record(cohort)), encoding="utf-8")
    assert set(states(path, other).values()) == {SAME}
    (other / "tables/scans.tsv").write_text("participant_id\n", encoding="utf-8")
    assert states(path, other)["tables/scans.tsv"] == DIFFERS
    assert main([str(path), str(other)]) == 1


def test_what_is_neither_is_refused(results, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    for path in ("empty", "list.json", "nothing"):
        with pytest.raises(NoResults, match=path):
            compare(results, tmp_path / path)
    assert main([str(results), str(tmp_path / "nothing")]) == 2
    assert "neither" in capsys.readouterr().out


def test_tables_of_other_shape_say_so():
    first = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    assert table_difference(first, first.copy()) == ""
    assert table_difference(first, first[:1]) == "2 rows against 1"
    assert table_difference(first, first.rename(columns={"b": "c"})) == "columns -b, +c"
    assert table_difference(first, first.assign(b=["x", "y"])) == "1 of 4 cells"
    gone = first.assign(a=[1.0, None])
    assert table_difference(first, gone).startswith("1 of 4 cells")


def test_cells_that_look_alike_are_told_apart(tmp_path):
    for folder, ids in (("one", "007\tNA"), ("other", "7\t")):
        (tmp_path / folder / "tables").mkdir(parents=True)
        (tmp_path / folder / "tables/scans.tsv").write_text(f"participant_id\tsite\n{ids}\n")
    (found,) = compare(tmp_path / "one", tmp_path / "other")
    assert (found.state, found.detail) == (DIFFERS, "2 of 2 cells")


def test_types_and_order_of_columns_are_told():
    first = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert table_difference(first, first.astype({"a": float})) == "another type of a"
    assert table_difference(first, first[["b", "a"]]) == "columns in another order"
