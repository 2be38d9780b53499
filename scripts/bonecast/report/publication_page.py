"""What the report shows of the publication tables of one endpoint: read, never computed."""

from pathlib import Path

import pandas as pd

from bonecast.report.tables import ASSUMED, FEW, HIDDEN, OBSERVED, block_name

FOLDER = "publication"
"""Folder of the files, inside that of the endpoint's models."""

PUBLICATION_FILES = (
    ("table_one.tsv", "Table 1"),
    ("sample_size.tsv", "Sample size by block"),
    ("tripod_ai.tsv", "TRIPOD+AI checklist"),
    ("metrics_checklist.tsv", "METRICS checklist"),
    ("model_card.md", "Model card"),
)
"""Files written, with what each is called."""

MAX_ROWS = 120
"""Rows of Table 1 that the report shows; the file has all."""

LABELS = 4
"""Columns of Table 1 before those of the groups: block, variable, level, statistic."""


def publication_facts(settings_path: str | Path) -> dict | None:
    """What the report shows of an endpoint's publication tables.

    Args:
        settings_path: settings.json of the endpoint; the tables lie in the folder `FOLDER`
            beside it.

    Returns:
        None where they were not made, else keys: table (groups, rows, n_rows), sample_size
        (sentences by block), checklists (counts by status), files (path relative to the report,
        and name), few and hidden (what stands for small counts).
    """
    settings_path = Path(settings_path)
    folder = settings_path.parent / FOLDER
    if not all((folder / name).is_file() for name, _ in PUBLICATION_FILES):
        return None
    tables = {path.stem: _read(path) for path in sorted(folder.glob("*.tsv"))}
    characteristics, sizes = tables["table_one"], tables["sample_size"]
    telling = characteristics[~_says_nothing(characteristics)]
    endpoint = settings_path.parent.name
    return {
        "groups": list(characteristics)[LABELS:],
        "rows": _rows(telling.head(MAX_ROWS)),
        "n_rows": len(characteristics),
        "sample_size": {
            block_name(block): _sizes(rows) for block, rows in sizes.groupby("block", sort=False)
        },
        "checklists": {
            name: _counts(tables[stem])
            for stem, name in (("tripod_ai", "TRIPOD+AI"), ("metrics_checklist", "METRICS"))
        },
        "files": [
            (f"models/{endpoint}/{FOLDER}/{name}", words) for name, words in PUBLICATION_FILES
        ],
        "few": FEW,
        "hidden": HIDDEN,
    }


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def _sizes(rows: pd.DataFrame) -> str:
    """The sentence for the assumed R-squared, and what the observed one asks for."""
    words = list(rows.loc[rows["r2_source"] == ASSUMED, "sentence"])
    words += [
        f"At the R-squared observed in held-out patients ({float(row.r2):.3f}) they ask for"
        f" {int(row.patients_needed):,} patients."
        for row in rows[rows["r2_source"] == OBSERVED].itertuples()
        if row.patients_needed
    ]
    return " ".join(words)


def _says_nothing(table: pd.DataFrame) -> pd.Series:
    """Rows of Table 1 that are the same for most variables: how many have one, nobody missing."""
    cells = table.iloc[:, LABELS:]
    nobody_missing = table["statistic"].str.startswith("missing") & (cells == "0 (0.0)").all(axis=1)
    return nobody_missing | ((table["statistic"] == "n") & (table["variable"] != "Patients"))


def _rows(table: pd.DataFrame) -> list[dict]:
    """Rows of Table 1 as shown: a name is printed once, a block heads its first row."""
    rows, before = [], ("", "")
    for row in table.itertuples(index=False):
        block, variable, level, statistic, *cells = row
        rows.append(
            {
                "block": block if block != before[0] else "",
                "variable": variable if (block, variable) != before else "",
                "level": level,
                "statistic": statistic,
                "cells": cells,
            }
        )
        before = (block, variable)
    return rows


def _counts(table: pd.DataFrame) -> dict[str, int]:
    """Items of a checklist by status, in the order of the list."""
    status = table.loc[(table["item"] != "") & (table["status"] != ""), "status"]
    return status.value_counts(sort=False).to_dict()
