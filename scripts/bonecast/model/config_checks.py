"""What of the configuration of the models cannot go together, before anything runs.

Read while the workflow is parsed, so: standard library only.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from bonecast.model import MULTIMODAL

OSTEOPOROSIS = "osteoporosis"

IMAGE_BLOCKS = ("hu", "vbmd", "strength", "morphometry", "composition", "radiomics")

LABEL_ROLES = {"label": "osteoporosis", "dxa": "dxa_t_score"}
"""Column that the diagnosis is read from, by `osteoporosis_from`."""

OWN_SCALE = "michalski2020"
"""Internal calibration whose densities the classes by QCT do not apply to."""


def model_problems(
    config: Mapping, sites: Sequence[str], exists: Callable[[str], bool] = os.path.exists
) -> list[str]:
    """Every problem of the section `model`, each with what to do.

    Args:
        config: the whole configuration.
        sites: names of the sites of the cohort's scans; none where a table is modelled.
        exists: whether a file is there, or will be made by the run.
    """
    model = config["model"]
    return [
        *_blocks(model),
        *_vertebrae(model),
        *_endpoints(config),
        *_columns(model),
        *_designs(model, sites),
        *_learners(model),
        *_models(config, exists),
    ]


def _blocks(model: Mapping) -> list[str]:
    lines = []
    tabular = model["table"] is not None
    known = {MULTIMODAL} | set(model["block_columns"]) | set(model["vertebra_columns"])
    known |= set() if tabular else {"clinical", *IMAGE_BLOCKS}
    if unknown := [block for block in model["blocks"] if block not in known]:
        lines.append(
            f"model.blocks: {', '.join(unknown)}: no such block. Known: "
            f"{', '.join(sorted(known))}. Name its columns in model.block_columns."
        )
    for option in ("block_columns", "vertebra_columns"):
        if MULTIMODAL in model[option]:
            lines.append(
                f"model.{option}: {MULTIMODAL} is all blocks together and has no columns of its "
                "own; name the block otherwise."
            )
    both = sorted(set(model["block_columns"]) & set(model["vertebra_columns"]))
    if both:
        lines.append(
            f"model.block_columns and model.vertebra_columns both define {', '.join(both)}; give "
            "one of them another name, and list both in model.blocks."
        )
    return lines


def _vertebrae(model: Mapping) -> list[str]:
    table, columns = model["vertebra_table"], model["vertebra_columns"]
    if table and model["table"] is None:
        return [
            "model.vertebra_table goes with model.table; scans have a table of vertebrae of their "
            "own. Leave it out."
        ]
    if table and not columns:
        return [
            "model.vertebra_table: nothing is read from it; name columns in model.vertebra_columns."
        ]
    if columns and model["table"] is not None and not table:
        return ["model.vertebra_columns: name the table that has them in model.vertebra_table."]
    return []


def _endpoints(config: Mapping) -> list[str]:
    model = config["model"]
    lines = []
    for endpoint in model["endpoints"]:
        role = {"bmd": "bmd", OSTEOPOROSIS: LABEL_ROLES.get(model["osteoporosis_from"])}
        needed = role.get(endpoint)
        if needed and model["columns"][needed] is None:
            lines.append(
                f"model.columns.{needed} is null, and the endpoint {endpoint} is read from it: "
                "name the column, or take the endpoint out of model.endpoints."
            )
    from_scans = OSTEOPOROSIS in model["endpoints"] and model["osteoporosis_from"] == "qct"
    if from_scans and not config["cohort"]["frozen"]:
        lines += _qct(config)
    codes = Counter(str(code).strip().casefold() for code in model["event_codes"].values())
    twice = sorted(code for code, count in codes.items() if count > 1)
    if twice:
        lines.append(f"model.event_codes: {', '.join(twice)} stands for two ends of a follow-up.")
    return lines


def _qct(config: Mapping) -> list[str]:
    """Why no scan would have a class by QCT."""
    option = "model.osteoporosis_from: qct"
    if config["model"]["table"] is not None:
        return [f"{option} needs scans; of a table take label or dxa."]
    calibration = config["measure"]["calibration"]
    method = calibration["method"]
    if method == "table" and not config["cohort"].get("calibration"):
        method = "none"
    if method == "none":
        return [f"{option}: densities are not calibrated; see measure.calibration.method."]
    if method == "internal" and calibration["internal_model"] == OWN_SCALE:
        return [
            f"{option}: the classes do not apply to densities by internal_model {OWN_SCALE}; "
            "calibrate by table or phantom, or set measure.calibration.internal_model: linear."
        ]
    if calibration["standard"] != "k2hpo4":
        return [f"{option}: the classes need measure.calibration.standard: k2hpo4."]
    return []


def _columns(model: Mapping) -> list[str]:
    columns = model["columns"]
    named = Counter(name for name in columns.values() if name)
    lines = [
        "model.columns: "
        + " and ".join(role for role, called in columns.items() if called == name)
        + f" are the same column, {name}."
        for name, count in named.items()
        if count > 1
    ]
    if columns["participant_id"] is None and model["table"] is None:
        lines.append("model.columns.participant_id: scans and clinical table need it to meet.")
    if columns["participant_id"] is None and model["vertebra_table"]:
        lines.append("model.columns.participant_id: table and vertebra_table need it to meet.")
    return lines + _leaks(model)


def _leaks(model: Mapping) -> list[str]:
    """Blocks that hold what is to be predicted."""
    columns = model["columns"]
    later = ("time", "event", "death_time")
    labels = {columns[role]: "known only after the scan" for role in later}
    by_dxa = model["osteoporosis_from"] == "dxa"
    roles = {"bmd": ["bmd"], OSTEOPOROSIS: ["osteoporosis", *["dxa_t_score"] * by_dxa]}
    for endpoint in model["endpoints"]:
        labels |= {
            columns[role]: f"the outcome of the endpoint {endpoint} itself"
            for role in roles.get(endpoint, [])
        }
    return [
        f"model.block_columns.{block}: {column} is {labels[column]}; take it out, or model the "
        "endpoint in a configuration of its own."
        for block, members in model["block_columns"].items()
        if block in model["blocks"]
        for column in members
        if column in labels
    ]


def _designs(model: Mapping, sites: Sequence[str]) -> list[str]:
    lines = []
    tabular = model["table"] is not None
    designs, has_sites = model["designs"], model["columns"]["site"] if tabular else sites
    if "temporal" in designs:
        for option, value in (
            ("columns.entry", model["columns"]["entry"]),
            ("train_until", model["train_until"]),
        ):
            if value is None:
                lines.append(
                    f"model.designs: temporal needs model.{option}; see config.yaml, or take the "
                    "design out."
                )
    where = "model.columns.site" if tabular else "column site of the participants table"
    if "leave_one_site_out" in designs:
        if not has_sites or (not tabular and len(sites) < 2):
            lines.append(f"model.designs: leave_one_site_out needs two sites or more; see {where}.")
        if model["harmonise"] == "combat":
            lines.append(
                "model.designs: leave_one_site_out cannot go with model.harmonise: combat, which "
                "knows nothing of a site never seen; leave one of them out."
            )
    if model["harmonise"] == "combat" and not has_sites:
        lines.append(f"model.harmonise: combat needs sites; see {where}.")
    return lines


def _learners(model: Mapping) -> list[str]:
    others = [endpoint for endpoint in model["endpoints"] if endpoint != "fracture"]
    if model["learners"][0] == "fine_gray" and others:
        return [
            f"model.learners: fine_gray is first, and the endpoint {' and '.join(others)} has no "
            "competing event; put penalised, forest or boosting first."
        ]
    return []


def _models(config: Mapping, exists: Callable[[str], bool]) -> list[str]:
    predict = config["predict"]
    lines = [
        f"{option}: {found} not found."
        for option, path in (
            ("model.external_model", config["model"]["external_model"]),
            ("predict.model", predict["model"]),
            ("predict.table", predict["table"]),
            ("predict.vertebra_table", predict["vertebra_table"]),
        )
        for found in _paths(path, config["model"]["endpoints"])
        if not exists(found)
    ]
    if predict["table"] and not predict["model"]:
        lines.append("predict.table: name the saved model in predict.model.")
    if predict["vertebra_table"] and not predict["table"]:
        lines.append("predict.vertebra_table goes with predict.table; scans have their vertebrae.")
    return lines


def _paths(path: str | None, endpoints: Sequence[str]) -> list[str]:
    """A path with `{endpoint}` in it stands for one file per endpoint."""
    paths = [path.replace("{endpoint}", endpoint) for endpoint in endpoints] if path else []
    return list(dict.fromkeys(paths))
