"""Tables and texts that go with a paper: one call per endpoint, and what the report shows of it."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bonecast.report.artefacts import read_artefacts
from bonecast.report.metrics_checklist import metrics_checklist_table
from bonecast.report.model_card import model_card
from bonecast.report.sample_size import ASSUMED, sample_size_table
from bonecast.report.table_one import COLUMNS, FEW, HIDDEN, table_one
from bonecast.report.tables import block_name
from bonecast.report.tripod import tripod_table

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


def write_publication(
    inputs: Mapping[str, str | Path],
    outputs: Mapping[str, str | Path],
    endpoint: str,
    config: dict,
    code: str = "",
) -> None:
    """Write Table 1, sample sizes, both checklists and the model card of one endpoint.

    Args:
        inputs: results by name, see `artefacts.FILES`.
        outputs: paths by name: table_one, sample_size, tripod_ai, metrics_checklist, model_card.
        config: the merged configuration.
        code: digest of the modelling code.
    """
    artefacts = read_artefacts(inputs, endpoint, config, code)
    sizes = sample_size_table(artefacts)
    tables = {
        "table_one": table_one(artefacts),
        "sample_size": sizes,
        "tripod_ai": tripod_table(artefacts, sizes),
        "metrics_checklist": metrics_checklist_table(artefacts),
    }
    for name, table in tables.items():
        table.to_csv(outputs[name], sep="\t", index=False, lineterminator="\n", float_format="%.6g")
    Path(outputs["model_card"]).write_text(model_card(artefacts, sizes), encoding="utf-8")


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
    assumed = sizes[sizes["r2_source"] == ASSUMED]
    endpoint = settings_path.parent.name
    return {
        "groups": [c for c in characteristics if c not in COLUMNS[:4]],
        "rows": _rows(characteristics.head(MAX_ROWS)),
        "n_rows": len(characteristics),
        "sample_size": {
            block_name(row.block): row.sentence for row in assumed.itertuples(index=False)
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
