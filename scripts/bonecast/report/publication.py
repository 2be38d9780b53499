"""Tables and texts that go with a paper: one call per endpoint."""

from collections.abc import Mapping
from pathlib import Path

from bonecast.report.artefacts import read_artefacts
from bonecast.report.metrics_checklist import metrics_checklist_table
from bonecast.report.model_card import model_card
from bonecast.report.sample_size import sample_size_table
from bonecast.report.table_one import table_one
from bonecast.report.tripod import tripod_table


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
        config: see `artefacts.Artefacts`.
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
