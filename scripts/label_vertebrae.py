"""Name the vertebrae of one scan and write its masks, corrected by hand where a person did."""

from pathlib import Path

from bonecast.corrections import sha256
from bonecast.images import load, save
from bonecast.inputs import scan_mask
from bonecast.private import nothing_quoted
from bonecast.reasons import Excluded, Reason
from bonecast.runtime import job, read_json, write_json
from bonecast.segment.corrections import apply_correction
from bonecast.segment.label import label_from_mask, label_from_network, reviewed
from bonecast.segment.model_folder import class_names
from bonecast.segment.supplied import with_supplied_tissue
from bonecast.segment.tissues import TISSUE_CODES
from bonecast.segment.totalsegmentator_labels import label_from_totalsegmentator


def label(snakemake, ct):
    """The participant's vertebrae by the configured backend."""
    if snakemake.params.backend == "masks":
        labels = snakemake.input.labels or snakemake.params.mask_labels
        mask, bodies = (own_mask(snakemake, kind) for kind in ("mask", "bodies"))
        with nothing_quoted():
            return label_from_mask(ct, mask, bodies, labels)
    raw = Path(snakemake.input.batch).parent / "raw" / f"{snakemake.wildcards.participant}.nii.gz"
    if snakemake.params.backend == "totalsegmentator":
        return label_from_totalsegmentator(ct, raw)
    names = class_names(snakemake.params.model)
    return label_from_network(ct, raw, names, snakemake.params.count_from)


def own_mask(snakemake, kind):
    """Path of the user's mask of the scan, None where there is none."""
    return scan_mask(snakemake.wildcards.participant, kind, snakemake.config) or None


def with_tissue(snakemake, ct, found):
    """The same with the user's own tissue map, where there is one."""
    path = own_mask(snakemake, "tissue")
    labels = snakemake.input.tissue_labels or snakemake.params.tissue_labels
    if not path:
        return found
    with nothing_quoted():
        return with_supplied_tissue(found, ct, Path(path), labels)


def name(snakemake, ct):
    """The backend's vertebrae, names checked and shifted as the participants table says."""
    found = with_tissue(snakemake, ct, label(snakemake, ct))
    return reviewed(found, snakemake.params.told["level_shift"], found.tissue, TISSUE_CODES)


def correct(snakemake, ct, about, log):
    """The participant's vertebrae, by a person where there is a correction."""
    files = {
        "mask": snakemake.input.correction,
        "bodies": snakemake.input.corrected_bodies,
    }
    files = {kind: Path(path) for kind, path in files.items() if path}
    if not files:
        return name(snakemake, ct)
    # Recorded first, so that also a correction that is refused is named in the report.
    about["correction"] = {
        kind: {"file": path.name, "sha256": sha256(str(path))} for kind, path in files.items()
    }
    try:
        backend = name(snakemake, ct)
    except Excluded as excluded:
        log.info("corrected by hand; the backend's own result: %s", excluded)
        backend = None
    found = apply_correction(ct, files.get("mask"), files.get("bodies"), backend)
    found = with_tissue(snakemake, ct, found)
    found.provenance["correction"] = about["correction"] | found.provenance["correction"]
    # Its names are final: what is corrected was exported after the shift.
    checked = None if snakemake.params.told["level_shift"] is None else 0
    return reviewed(found, checked, found.tissue, TISSUE_CODES)


if __name__ == "__main__":
    with job(snakemake) as log:
        participant, output = snakemake.wildcards.participant, snakemake.output
        about = {"participant_id": participant, "correction": None}
        facts = read_json(snakemake.input.facts)
        try:
            if facts["status"] != "ok":
                about |= {key: facts[key] for key in ("status", "stage", "reason", "detail")}
                raise Excluded(Reason(facts["reason"]), facts["detail"])
            ct = load(snakemake.input.ct)
            found = correct(snakemake, ct, about, log)
            save(found.whole, output.vertebrae)
            save(found.bodies, output.bodies)
            if found.tissue is None:
                Path(output.tissue).write_bytes(b"")
            else:
                save(found.tissue, output.tissue)
            about |= {"status": "ok", "stage": "segment", **found.provenance}
            about |= {"levels": found.levels(), "flags": found.flags}
            about |= found.review.facts()
        except Excluded as excluded:
            about = {"status": "excluded", "stage": "segment", **about}
            about |= {"reason": str(excluded.reason), "detail": excluded.detail}
            for path in (output.vertebrae, output.bodies, output.tissue):
                Path(path).write_bytes(b"")
            log.warning("%s left out: %s", participant, excluded)
        write_json({"participant_id": participant} | about, output.about)
