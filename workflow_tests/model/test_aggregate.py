"""Vertebrae of a patient become one row, against the training median of their level."""

import json

import numpy as np
import pytest

from bonecast.model.aggregate import FEWEST_AT_LEVEL, Aggregation, n_features

NAMES = ("hu@T12", "hu@L1", "hu@L2", "age", "bmi")
BLOCKS = ("levels", "levels", "levels", "clinical", "clinical")
# Medians of the five: T12 100, L1 90, L2 70.
TRAIN = np.array(
    [
        [80, 70, 50, 60, 20],
        [90, 80, 60, 61, 21],
        [100, 90, 70, 62, 22],
        [110, 100, 80, 63, 23],
        [120, 110, 90, 64, 24],
    ],
    dtype=float,
)


def test_median_lowest_and_slope_of_differences_from_the_level():
    aggregation = Aggregation.fit(TRAIN, NAMES, BLOCKS)
    assert aggregation.names == ("age", "bmi", "hu_median", "hu_lowest", "hu_slope")
    assert aggregation.blocks == ("clinical", "clinical", "levels", "levels", "levels")
    nan = np.nan
    new = np.array(
        [
            [101, 93, 75, 70, 25],  # 1, 3 and 5 above: 2 more per level
            [101, nan, 75, 70, 25],  # two levels apart: 4 more over 2 levels
            [nan, 84, nan, 70, 25],  # one level says nothing of a slope
            [nan, nan, nan, 70, nan],
        ]
    )
    expected = [
        [70, 25, 3, 1, 2],
        [70, 25, 3, 1, 2],
        [70, 25, -6, -6, nan],
        [70, nan, nan, nan, nan],
    ]
    np.testing.assert_allclose(aggregation.apply(new), expected)


def test_missing_levels_do_not_make_a_patient_denser():
    """Only the dense upper level is known: the plain mean would be 100, as if nothing were lost."""
    whole, upper_only = TRAIN[2].copy(), TRAIN[2].copy()
    upper_only[1:3] = np.nan
    aggregated = Aggregation.fit(TRAIN, NAMES, BLOCKS).apply(np.array([whole, upper_only]))
    assert aggregated[0, 2] == aggregated[1, 2] == 0


def test_a_level_that_few_training_patients_have_is_left_out():
    train = TRAIN.copy()
    train[: 5 - FEWEST_AT_LEVEL + 1, 0] = np.nan
    aggregated = Aggregation.fit(train, NAMES, BLOCKS).apply(np.array([[999.0, 91, 71, 60, 20]]))
    assert aggregated[0, 2:].tolist() == [1, 1, 0]


def test_without_vertebrae_the_table_passes_as_it_is():
    x = TRAIN[:, 3:]
    aggregation = Aggregation.fit(x, NAMES[3:], BLOCKS[3:])
    assert aggregation.apply(x) is x
    assert aggregation.names == ("age", "bmi")


def test_the_same_after_writing_and_reading():
    aggregation = Aggregation.fit(TRAIN, NAMES, BLOCKS)
    again = Aggregation.from_json(json.loads(json.dumps(aggregation.to_json())))
    assert again.names == aggregation.names
    np.testing.assert_array_equal(again.apply(TRAIN), aggregation.apply(TRAIN))


def test_an_unknown_level_is_named():
    with pytest.raises(ValueError, match="hu@L9"):
        Aggregation.fit(np.zeros((2, 1)), ("hu@L9",), ("levels",))


def test_a_vertebral_column_counts_as_its_summaries():
    assert n_features(["age_years", "hu@L1", "hu@L2", "sd@L1"]) == 1 + 3 + 3
    assert n_features(["age_years"]) == 1
