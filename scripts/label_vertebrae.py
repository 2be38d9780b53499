"""Name the vertebrae of one scan, write its masks and the picture people check."""

from pathlib import Path

from bonecast.images import load, save
from bonecast.reasons import Excluded, Reason
from bonecast.report.qc import draw_exclusion_card, draw_qc, write_png
from bonecast.runtime import job, read_json, write_json
from bonecast.segment.label import label_from_mask, label_from_network, reviewed
from bonecast.segment.nnunet import class_names
from bonecast.segment.tissues import TISSUE_CODES
from bonecast.segment.totalsegmentator_labels import label_from_totalsegmentator


def label(snakemake, ct):
    """The participant's vertebrae by the configured backend."""
    if snakemake.params.backend == "masks":
        mask, bodies = snakemake.input.get("mask"), snakemake.input.get("bodies")
        labels = snakemake.input.get("labels") or snakemake.params.mask_labels
        return label_from_mask(ct, mask or None, bodies or None, labels)
    raw = Path(snakemake.input.batch).parent / "raw" / f"{snakemake.wildcards.participant}.nii.gz"
    if snakemake.params.backend == "totalsegmentator":
        return label_from_totalsegmentator(ct, raw)
    names = class_names(snakemake.params.model)
    return label_from_network(ct, raw, names, snakemake.params.count_from)


if __name__ == "__main__":
    with job(snakemake) as log:
        participant, output = snakemake.wildcards.participant, snakemake.output
        about = {"participant_id": participant}
        facts = read_json(snakemake.input.facts)
        try:
            if facts["status"] != "ok":
                about |= {key: facts[key] for key in ("status", "stage", "reason", "detail")}
                raise Excluded(Reason(facts["reason"]), facts["detail"])
            ct = load(snakemake.input.ct)
            found = label(snakemake, ct)
            found = reviewed(found, snakemake.params.level_shift, found.tissue, TISSUE_CODES)
            save(found.whole, output.vertebrae)
            save(found.bodies, output.bodies)
            if found.tissue is None:
                Path(output.tissue).write_bytes(b"")
            else:
                save(found.tissue, output.tissue)
            about |= {"status": "ok", "stage": "segment", **found.provenance}
            about |= {"levels": found.levels(), "flags": found.flags}
            about |= found.review.facts()
            picture = draw_qc(ct, found.whole, found.bodies, participant, found.flags)
        except Excluded as excluded:
            about = {"status": "excluded", "stage": "segment", **about}
            about |= {"reason": str(excluded.reason), "detail": excluded.detail}
            for path in (output.vertebrae, output.bodies, output.tissue):
                Path(path).write_bytes(b"")
            picture = draw_exclusion_card(participant, excluded.reason.sentence)
            log.warning("%s left out: %s", participant, excluded)
        write_png(picture, output.picture)
        write_json({"participant_id": participant} | about, output.about)
