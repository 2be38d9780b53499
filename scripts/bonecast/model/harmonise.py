"""ComBat: the shift and spread that each site's scanners give image features are taken away.

Johnson, Li and Rabinovic, Biostatistics 2007;8:118, parametric empirical Bayes; age and sex are
protected as covariates (Fortin et al., NeuroImage 2018;167:104). No outcome is seen: protecting
it would leak (Nieto et al., Neurocomputing 2026). Everything is estimated on training patients
and stored, so that others are corrected without being learned from. Packages that do this hold
no missing values or need plotting libraries that are not installed otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from bonecast.refusal import Refusal

FEWEST_AT_SITE = 5
"""Training patients that a site needs, or its shift and spread are guesses."""

ENOUGH_AT_SITE = 25
"""Patients that a site needs in the whole cohort: in a training fold inside a training fold (of
5 and 4) it then has 15 on average, and fewer than `FEWEST_AT_SITE` once in 100,000."""

FEWEST_COLUMNS = 3
"""With fewer columns nothing can be borrowed between them: each site's own estimates are used."""

STEPS = 100
TOLERANCE = 1e-6
"""Relative change of shift and spread at which the iteration of the posterior means stops."""


class CannotHarmonise(Refusal):
    """Patients of a site whose scanners are not known; the message names the site."""


def why_not(site: np.ndarray) -> str:
    """Why a cohort cannot be harmonised; empty if it can.

    Args:
        site: name of each patient's site, empty where unknown, shape (patients,).
    """
    sites, size = np.unique(site, return_counts=True)
    small = [
        f"site {name} has {count} patients, {ENOUGH_AT_SITE} are needed"
        if name
        else f"{count} patients have no site"
        for name, count in zip(sites, size, strict=True)
        if not name or count < ENOUGH_AT_SITE
    ]
    if not small:
        return ""
    return "ComBat: " + "; ".join(small) + ": leave them out, or set model.harmonise to none"


@dataclass(frozen=True)
class Harmonisation:
    """Shift and spread of every site, as learned from training patients.

    Attributes:
        columns: positions of the corrected columns in the matrix that was fitted.
        sites: names of the sites, ascending.
        level, sd: mean at average covariates, and pooled SD within sites, per corrected column.
        effects: of the covariates, shape (covariates, corrected columns).
        centre: training median of each covariate: what a missing one is taken to be, and where
            `level` lies.
        shift, spread: of each site in units of `sd`, shape (sites, corrected columns).
    """

    columns: np.ndarray
    sites: tuple[str, ...]
    level: np.ndarray
    sd: np.ndarray
    effects: np.ndarray
    centre: np.ndarray
    shift: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(
        cls, x: np.ndarray, covariates: np.ndarray, site: np.ndarray, candidates: Sequence[int]
    ) -> "Harmonisation":
        """Learn from training patients.

        Args:
            x: features, shape (patients, columns), NaN where missing: such cells teach nothing.
            covariates: whose effects are kept, shape (patients, covariates), NaN where missing.
            site: name of each patient's site, empty where unknown.
            candidates: positions of the columns to correct; those with two values or fewer are
                left as they are.

        Raises:
            CannotHarmonise: a patient of unknown site, or a site with too few patients.
        """
        sites, member, size = np.unique(site, return_inverse=True, return_counts=True)
        if "" in sites:
            raise CannotHarmonise(
                f"ComBat: {size[0]} of {len(site)} patients have no site; name it in the column"
                " `site`, or set model.harmonise to none"
            )
        if size.min() < FEWEST_AT_SITE:
            raise CannotHarmonise(
                f"ComBat: site {sites[size.argmin()]} has {size.min()} training patients,"
                f" {FEWEST_AT_SITE} are needed; leave the site out, or set model.harmonise to none"
            )
        columns = np.array([c for c in candidates if _varies(x[:, c])], dtype=int)
        centre = np.array([_median(column) for column in covariates.T])
        filled = np.where(np.isnan(covariates), centre, covariates) - centre
        at_site = (member[:, None] == np.arange(len(sites))).astype(float)
        level, sd, effects = _standard(x[:, columns], at_site, filled)
        scaled = (x[:, columns] - level - filled @ effects) / sd
        shift, spread = _posterior(scaled, member, len(sites))
        return cls(columns, tuple(sites.tolist()), level, sd, effects, centre, shift, spread)

    def apply(self, x: np.ndarray, covariates: np.ndarray, site: np.ndarray) -> np.ndarray:
        """Features of any patients of the sites learned from, shape as `x`.

        Raises:
            CannotHarmonise: a patient of another site, or of unknown site.
        """
        strange = sorted(set(site.tolist()) - set(self.sites))
        if strange:
            named = ", ".join(name or "(unknown)" for name in strange)
            raise CannotHarmonise(
                f"ComBat: site {named} is not among those learned from ({', '.join(self.sites)});"
                " its scanners' shift is not known. A model for other sites needs"
                " model.harmonise: none"
            )
        member = np.searchsorted(np.array(self.sites), site)
        filled = np.where(np.isnan(covariates), self.centre, covariates) - self.centre
        expected = self.level + filled @ self.effects
        scaled = (x[:, self.columns] - expected) / self.sd
        corrected = x.copy()
        scaled = (scaled - self.shift[member]) / self.spread[member]
        corrected[:, self.columns] = scaled * self.sd + expected
        return corrected

    def to_json(self) -> dict:
        """Every attribute as plain values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "sites"}
        return {name: value.tolist() for name, value in plain.items()} | {"sites": list(self.sites)}

    @classmethod
    def from_json(cls, saved: Mapping) -> "Harmonisation":
        """The inverse of `to_json`."""
        columns, sites = np.array(saved["columns"], dtype=int), tuple(saved["sites"])
        centre = np.array(saved["centre"], dtype=float)
        shapes = {
            "effects": (len(centre), len(columns)),
            "shift": (len(sites), len(columns)),
            "spread": (len(sites), len(columns)),
        }
        others = {
            f.name: np.array(saved[f.name], dtype=float).reshape(shapes.get(f.name, -1))
            for f in fields(cls)[2:]
        }
        return cls(columns, sites, **others)


def _varies(column: np.ndarray) -> bool:
    known = column[~np.isnan(column)]
    return len(np.unique(known)) > 2 and np.std(known) > 1e-9 * max(abs(known.mean()), 1e-300)


def _median(column: np.ndarray) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else 0.0


def _standard(x, at_site, covariates):
    """Level, SD within sites and covariate effects of each column, by least squares."""
    design = np.hstack([at_site, covariates])
    n_sites, columns = at_site.shape[1], x.shape[1]
    level, sd = np.zeros(columns), np.ones(columns)
    effects = np.zeros((covariates.shape[1], columns))
    known = ~np.isnan(x)
    # Columns with the same patients missing share one decomposition.
    patterns, pattern_of = np.unique(known, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        rows, mine = patterns[:, number], np.flatnonzero(pattern_of.ravel() == number)
        values, terms = x[np.ix_(rows, mine)], design[rows]
        solution, *_ = np.linalg.lstsq(terms, values, rcond=None)
        share = at_site[rows].mean(axis=0)
        level[mine] = share @ solution[:n_sites]
        effects[:, mine] = solution[n_sites:]
        residual = np.sqrt(((values - terms @ solution) ** 2).mean(axis=0))
        sd[mine] = np.where(residual > 1e-9 * values.std(axis=0), residual, 1.0)
    return level, sd, effects


def _posterior(scaled, member, n_sites):
    """Shift and spread of each site and column, drawn towards the site's mean over columns."""
    shape = (n_sites, scaled.shape[1])
    shift, spread = np.zeros(shape), np.ones(shape)
    for number in range(n_sites):
        values = scaled[member == number]
        known = ~np.isnan(values)
        count = known.sum(axis=0)
        measured = count >= 2
        if not measured.any():
            continue
        filled = np.where(known, values, 0.0)
        own = filled.sum(axis=0) / np.maximum(count, 1)
        squares = np.where(known, (values - own) ** 2, 0.0).sum(axis=0)
        variance = squares / np.maximum(count - 1, 1)
        if measured.sum() < FEWEST_COLUMNS:
            shift[number, measured] = own[measured]
            usable = measured & (variance > 0)
            spread[number, usable] = np.sqrt(variance[usable])
            continue
        shift[number], spread[number] = _shrink(filled, known, count, own, variance, measured)
    return shift, spread


def _shrink(filled, known, count, own, variance, measured):
    """Posterior means under a normal prior of shifts and an inverse gamma prior of variances.

    Both priors have the mean and variance over the columns measured at the site.
    """
    centre, tau = own[measured].mean(), own[measured].var(ddof=1)
    mean, scatter = variance[measured].mean(), variance[measured].var(ddof=1)
    scatter = max(scatter, 1e-12 * mean**2, 1e-300)
    shape, scale = mean**2 / scatter + 2, mean**3 / scatter + mean
    shift, now = own, np.where(measured, variance, mean)
    for _ in range(STEPS):
        before = shift, now
        shift = (count * tau * own + now * centre) / np.maximum(count * tau + now, 1e-300)
        squares = np.where(known, (filled - shift) ** 2, 0.0).sum(axis=0)
        now = (scale + squares / 2) / (shape + count / 2 - 1)
        change = max(np.abs(new - old).max() for new, old in zip((shift, now), before, strict=True))
        if change < TOLERANCE:
            break
    return shift, np.sqrt(np.maximum(now, 1e-12))
