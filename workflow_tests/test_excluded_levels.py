"""The user's list of levels: codes for words, no free text, every problem at once."""

import pytest

from bonecast.cohort import CohortError
from bonecast.excluded_levels import CODES, MAX_HINTS, read_excluded_levels
from bonecast.reasons import Reason

PARTICIPANTS = ["p1", "p2", "patient-03"]


@pytest.fixture
def table(tmp_path):
    """A function that writes a list and returns its path."""

    def write(text: str, name: str = "levels.tsv") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_words_become_codes_and_notes_stay_outside(table):
    path = table(
        "participant_id\tlevel\treason\tcomment\n"
        "p1\tL2\thaemangioma\tseen on MR of Mr Smith\n"
        "p1\tT12\t\t\n"
        "patient-03\tL1\timplant\n"
    )
    assert read_excluded_levels(path, PARTICIPANTS) == {
        "p1": {"L2": "listed_haemangioma", "T12": "listed_other"},
        "patient-03": {"L1": "listed_implant"},
    }


def test_reasons_may_be_left_out_and_commas_are_read(table):
    path = table("participant_id,level\np2,L4\n", "levels.csv")
    assert read_excluded_levels(path, PARTICIPANTS) == {"p2": {"L4": "listed_other"}}
    assert read_excluded_levels(table("participant_id\tlevel\n"), PARTICIPANTS) == {}


def test_every_problem_is_listed_by_row(table):
    path = table(
        "participant_id\tlevel\treason\n"
        "p1\tL2\tmetastasis\n"
        "patient-3\tL2\t\n"
        "p2\tL9\tstrange look\n"
        "p1\tL2\tcement\n"
    )
    with pytest.raises(CohortError) as caught:
        read_excluded_levels(path, PARTICIPANTS)
    message = str(caught.value)
    assert "row 3: no participant patient-3 in this cohort; near it: patient-03" in message
    assert "row 4: level 'L9'" in message
    assert "row 4: reason must be one of haemangioma" in message
    assert "strange look" not in message
    assert "row 5: p1 L2 is already in row 2" in message


def test_only_the_first_unknown_ids_are_compared_with_the_cohort(table):
    rows = "".join(f"patient-3{i}\tL1\n" for i in range(MAX_HINTS + 5))
    with pytest.raises(CohortError) as caught:
        read_excluded_levels(table("participant_id\tlevel\n" + rows), PARTICIPANTS)
    message = str(caught.value)
    assert message.count("no participant") == MAX_HINTS + 5
    assert message.count("near it: patient-03") == MAX_HINTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("participant_id\treason\np1\timplant\n", "no column level"),
        ("participant\tlevel\np1\tL1\n", "no column participant_id"),
        ("participant_id\tlevels\np1\tL1\n", "was level meant"),
    ],
)
def test_a_header_that_cannot_be_used(table, text, message):
    with pytest.raises(CohortError, match=message):
        read_excluded_levels(table(text), PARTICIPANTS)


def test_a_missing_list_names_its_option(tmp_path):
    with pytest.raises(CohortError, match=r"cohort\.exclude_levels"):
        read_excluded_levels(str(tmp_path / "none.tsv"), PARTICIPANTS)


def test_every_code_of_the_list_has_its_sentence():
    listed = {reason for reason in Reason if reason.startswith("listed_")}
    assert set(CODES.values()) == listed
    assert all(reason.sentence for reason in listed)
