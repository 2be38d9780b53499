"""What the preparation learns, and that it learns from training patients only."""

import numpy as np
import pytest

from bonecast.model.prepare import Preparation, PreparationSettings, block_of_columns


def test_imputes_the_training_median_and_scales():
    train = np.array([[1.0, 0.0], [3.0, 1.0], [np.nan, 1.0], [8.0, 0.0]])
    settings = PreparationSettings(winsor_quantile=0.0)
    preparation = Preparation.fit(train, ["clinical"] * 2, settings)
    ready = preparation.apply(np.array([[np.nan, 1.0]]))
    filled = np.array([1.0, 3.0, 3.0, 8.0])
    assert ready[0, 0] == pytest.approx((3.0 - filled.mean()) / filled.std())
    assert preparation.apply(train).mean(axis=0) == pytest.approx([0, 0], abs=1e-12)


def test_values_beyond_the_training_range_are_pulled_in():
    train = np.linspace(0, 100, 101)[:, None]
    preparation = Preparation.fit(train, ["hu"], PreparationSettings(winsor_quantile=0.01))
    ready = preparation.apply(np.array([[-1e6], [1e6], [1.0], [99.0]]))[:, 0]
    assert ready[0] == ready[2]
    assert ready[1] == ready[3]


def test_a_rare_yes_is_kept():
    train = np.zeros((300, 1))
    train[7] = 1
    assert len(Preparation.fit(train, ["clinical"], PreparationSettings()).columns) == 1


def test_drops_constant_mostly_missing_and_correlated_columns():
    rng = np.random.default_rng(4)
    texture = rng.normal(size=(50, 20))
    texture[:, 7] = -texture[:, 3] + 1e-3 * rng.normal(size=50)
    constant = np.full((50, 1), 0.1 + 0.2)
    missing = np.where(np.arange(50)[:, None] < 26, np.nan, rng.normal(size=(50, 1)))
    density = rng.normal(size=(50, 1))
    x = np.hstack([texture, constant, missing, density, density])
    blocks = ["radiomics"] * 20 + ["clinical", "clinical", "hu", "hu"]
    kept = Preparation.fit(x, blocks, PreparationSettings()).columns
    # Narrow blocks keep their columns: the correlation filter is for wide ones.
    assert kept.tolist() == [c for c in range(20) if c != 7] + [22, 23]


def test_nothing_to_keep_is_no_error():
    preparation = Preparation.fit(np.full((5, 2), np.nan), ["hu", "hu"], PreparationSettings())
    assert preparation.apply(np.zeros((3, 2))).shape == (3, 0)


def test_a_column_in_two_blocks_enters_once():
    columns, blocks = block_of_columns({"clinical": ["age", "bmi"], "hu": ["bmi", "hu"]})
    assert columns == ["age", "bmi", "hu"]
    assert blocks == ["clinical", "clinical", "hu"]


@pytest.mark.parametrize("columns", [0, 3])
def test_one_patient_teaches_nothing_and_breaks_nothing(columns):
    preparation = Preparation.fit(np.ones((1, columns)), ["hu"] * columns, PreparationSettings())
    assert preparation.apply(np.zeros((4, columns))).shape == (4, 0)


def test_whole_numbers_are_numbers():
    train = np.array([[1, 5], [2, 5], [3, 5], [10, 5]])
    preparation = Preparation.fit(train, ["clinical"] * 2, PreparationSettings(winsor_quantile=0.0))
    assert preparation.columns.tolist() == [0]
    assert preparation.apply(train).std() == pytest.approx(1)


def test_of_many_copies_one_is_kept():
    """The filter looks at a thousand columns; the first of each group of copies stays."""
    rng = np.random.default_rng(8)
    own = rng.normal(size=(60, 250))
    x = np.hstack([own, -own, 3 * own + 1, own])
    kept = Preparation.fit(x, ["radiomics"] * 1000, PreparationSettings()).columns
    assert kept.tolist() == list(range(250))


def test_limits_and_scale_are_those_of_the_training_patients():
    rng = np.random.default_rng(9)
    train, new = rng.normal(size=(50, 2)), rng.normal(size=(30, 2)) * 100
    preparation = Preparation.fit(train, ["hu"] * 2, PreparationSettings())
    ready = preparation.apply(np.vstack([new, train[:1]]))
    assert np.array_equal(ready[-1], preparation.apply(train)[0])
    assert np.abs(ready).max() <= np.abs(preparation.apply(train)).max()
