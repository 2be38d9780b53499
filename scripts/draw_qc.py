"""Draw the picture by which a person judges the segmentation of one scan."""

from bonecast.images import load
from bonecast.measure.bodies import find_bodies
from bonecast.measure.density import DensitySettings, region_bits
from bonecast.reasons import Reason
from bonecast.report.qc import draw_qc, place_regions
from bonecast.report.qc_page import draw_exclusion_card, read_remarks, write_png
from bonecast.runtime import job, read_json

if __name__ == "__main__":
    with job(snakemake) as log:
        participant, about = (
            snakemake.wildcards.participant,
            read_json(snakemake.input.segmentation),
        )
        if about["status"] == "ok":
            ct, whole, inner = (load(snakemake.input[i]) for i in ("ct", "vertebrae", "bodies"))
            bodies = find_bodies(inner, whole)
            settings = DensitySettings(**snakemake.params.density)
            bits = region_bits(bodies, snakemake.params.levels, settings)
            boxes = {level: bodies[level].box for level in bits}
            regions = place_regions(ct.data.shape, boxes, bits, settings.rois)
            picture = draw_qc(ct, whole, inner, participant, read_remarks(about), regions)
        else:
            sentence = Reason(about["reason"]).sentence
            corrected = bool(about.get("correction"))
            picture = draw_exclusion_card(participant, sentence, about["detail"], corrected)
        write_png(picture, snakemake.output.picture)
        log.info("%s: %s", participant, about["status"])
