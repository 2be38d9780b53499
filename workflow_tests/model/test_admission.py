"""How a table of text is read, and how a bad one is answered."""

import pandas as pd
import pytest

from bonecast.cohort import CohortError
from bonecast.model.admission import (
    COVARIATE,
    IDENTIFIER,
    MOST_LISTED,
    NUMBER,
    SEXES,
    check,
    numbers,
    read_text_table,
    sexes,
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a table separated by commas and saved as UTF-8"),
        (b"participant_id,event\nP1,1,2\nP2,1,2,3\n", "not a table separated by commas"),
        (b"participant_id,event\nP1,1,2\nP2,1,2\n", "not a table separated by commas"),
        ("participant_id,event\nM\u00fcnchen,1\n".encode("latin-1"), "saved as UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00\xff\xfe", "saved as UTF-8"),
        (b"participant_id;event\nP1;1\n", "its columns are not separated by commas"),
        (b"participant_id\tevent\nP1\t1\n", "its columns are not separated by commas"),
        (b"participant_id;bmi\nP1;27,5\n", "separated by semicolons: save it with commas"),
        (b"participant_id,event\n", "a header and no rows"),
        (b"participant_id,event\n,\n\n", "a header and no rows"),
        (b"participant_id,bmi,bmi\nP1,24,25\n", "column named twice: bmi"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(tmp_path, content, problem):
    path = tmp_path / "clinical.csv"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=f"clinical.csv: .*{problem}"):
        read_text_table(path)


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(CohortError, match="cannot be read: "):
            read_text_table(path)


def test_mark_blanks_and_empty_lines_do_not_matter_and_rows_are_lines(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_bytes(b"\xef\xbb\xbf participant_id \tbmi\t\r\n P1 \t24\tx\r\n\r\n P2\tNA\t\r\n")
    table = read_text_table(path)
    assert list(table) == ["participant_id", "bmi"]
    assert table.to_dict("index") == {
        2: {"participant_id": "P1", "bmi": "24"},
        4: {"participant_id": "P2", "bmi": ""},
    }


def test_words_and_numbers_of_a_covariate():
    cells = pd.Series(["1", "-2.5", "Yes", "no", "TRUE", "", "1e2", "often"])
    assert numbers(cells).tolist()[:5] == [1, -2.5, 1, 0, 1]
    assert numbers(cells).isna().tolist() == [False] * 5 + [True, False, True]


def test_long_lists_of_problems_are_cut_and_counted():
    names = [f"dose{i}" for i in range(6)]
    table = pd.DataFrame({"id": [f"P{i}" for i in range(60)]} | {name: "x" for name in names})
    with pytest.raises(CohortError) as failure:
        check(table, {"id": IDENTIFIER} | dict.fromkeys(names, NUMBER), "id", "table.csv")
    lines = str(failure.value).splitlines()
    # Ten cells of each column, and a line on its fifty others.
    assert lines[0] == "table.csv: 66 problem(s)"
    assert lines[1].strip() == "P0, dose0: 'x' is not a number, or empty"
    assert lines[11].strip() == "column dose0: 50 further cells like these"
    assert len(lines) == MOST_LISTED + 2
    assert lines[-1].strip() == "... and 16 more"


def test_sexes_are_read_in_words_too():
    cells = pd.Series(["F", "male", "Female", "m", "", "1"])
    assert sexes(cells).tolist() == ["F", "M", "F", "M", "", ""]
    assert SEXES.valid(cells).tolist() == [True] * 4 + [False] * 2


def test_a_column_of_words_is_one_problem_that_says_what_to_do():
    words = ["surgery", "trauma", "surgery", "", "urology", "a", "b", "c"]
    table = pd.DataFrame({"id": [f"P{i}" for i in range(8)], "ward": words, "x": ["1"] * 7 + ["?"]})
    with pytest.raises(CohortError) as failure:
        check(table, {"id": IDENTIFIER, "ward": COVARIATE, "x": COVARIATE}, "id", "table.csv")
    message = str(failure.value)
    assert "2 problem(s)" in message
    assert "column ward holds words (6 different ones)" in message
    assert "model.subgroups" in message
    assert "P7, x: '?' is not a number, yes or no, or empty" in message


def test_a_name_in_place_of_a_pseudonym_is_not_repeated():
    table = pd.DataFrame({"id": ["Ann Doe", "P2"], "bmi": ["fat", "24"]}, index=[2, 3])
    with pytest.raises(CohortError) as failure:
        check(table, {"id": IDENTIFIER, "bmi": NUMBER}, "id", "table.csv")
    assert "Doe" not in str(failure.value)
    assert "row 2, id: is not letters, digits" in str(failure.value)
    assert "row 2, bmi: a text of 3 characters is not a number" in str(failure.value)


def test_numbers_too_large_to_reckon_with_are_refused():
    table = pd.DataFrame({"id": ["P1", "P2", "P3", "P4"], "hu": ["1e308", "-2e15", "1e15", "9"]})
    with pytest.raises(CohortError) as failure:
        check(table, {"id": IDENTIFIER, "hu": COVARIATE}, "id", "table.csv")
    assert str(failure.value).splitlines()[1:] == [
        "  P1, hu: '1e308' is not a number, yes or no, or empty (beyond 1e+15)",
        "  P2, hu: '-2e15' is not a number, yes or no, or empty (beyond 1e+15)",
    ]


def test_decimal_commas_are_named_as_such():
    table = pd.DataFrame({"id": ["P1", "P2", "P3"], "bmi": ["24,5", "", "31,25"]})
    with pytest.raises(CohortError, match=r"bmi has decimal commas: write"):
        check(table, {"id": IDENTIFIER, "bmi": COVARIATE}, "id", "table.csv")


def test_missing_columns_are_listed_beside_other_problems():
    table = pd.DataFrame({"id": ["P1", "P1", ""], "bmi": ["24", "inf", "1"]})
    columns = {"id": IDENTIFIER, "bmi": COVARIATE, "age": NUMBER}
    with pytest.raises(CohortError) as failure:
        check(table, columns, "id", "table.csv", lambda: ["never asked"])
    message = str(failure.value)
    for line in (
        "column age is missing; found: id, bmi.",
        "P1: named more than once (row 0)",
        "P1, bmi: 'inf' is not a number",
        "row 2, id: is not letters",
    ):
        assert line in message
    assert "never asked" not in message
