"""Plain Cox hazard ratios with Wald intervals: description, not prediction."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from bonecast.model.cox import NotEstimable, fit_cox

COLUMNS = [
    "endpoint",
    "model",
    "term",
    "unit",
    "hr",
    "lower",
    "upper",
    "p_value",
    "n",
    "events",
    "detail",
]


def hazard_ratios(
    frame: pd.DataFrame, endpoint: str, models: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Cause-specific Cox models with Efron ties, one per entry of `models`.

    Patients with a missing value in any term of a model are left out of that model; death
    counts as censoring.

    Args:
        frame: one row per patient: terms, `time_years`, `event`.
        models: terms of each model, by its name.

    Returns:
        Two rows per term, `unit` saying for what the ratio is: "1" for one unit of the column,
        "sd" for one standard deviation among the patients of the model. Columns: `COLUMNS`. A
        model that cannot be estimated has empty ratios and says why in `detail`.
    """
    rows = []
    for name, terms in models.items():
        terms = list(terms)
        absent = [term for term in terms if term not in frame]
        complete = frame.reindex(columns=[*terms, "time_years", "event"]).dropna()
        x = complete[terms].to_numpy(float)
        time = complete["time_years"].to_numpy(float)
        event = (complete["event"] == 1).to_numpy()
        sd = x.std(axis=0, ddof=1) if len(x) > 1 else np.zeros(len(terms))
        detail = ""
        beta = error = np.full(len(terms), np.nan)
        if absent:
            detail = f"no such column: {', '.join(absent)}"
        elif not (sd > 0).all():
            constant = [term for term, spread in zip(terms, sd, strict=True) if not spread > 0]
            detail = f"constant: {', '.join(constant)}"
        else:
            try:
                # Standardised columns keep Newton's method well conditioned.
                fit = fit_cox((x - x.mean(axis=0)) / sd, time, event)
            except NotEstimable as reason:
                detail = str(reason)
            else:
                beta, error = fit.coefficients, np.sqrt(np.diag(fit.covariance))
        for position, term in enumerate(terms):
            for unit, scale in (("1", sd[position]), ("sd", 1.0)):
                slope, spread = beta[position], error[position]
                if np.isfinite(slope):
                    slope, spread = slope / scale, spread / scale
                with np.errstate(over="ignore"):
                    ratio = np.exp(slope + np.array([0, -1, 1]) * norm.ppf(0.975) * spread)
                rows.append(
                    {
                        "endpoint": endpoint,
                        "model": name,
                        "term": term,
                        "unit": unit,
                        "hr": ratio[0],
                        "lower": ratio[1],
                        "upper": ratio[2],
                        "p_value": 2 * norm.sf(abs(slope / spread)),
                        "n": len(complete),
                        "events": int(event.sum()),
                        "detail": detail,
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)
