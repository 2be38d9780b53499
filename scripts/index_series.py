"""List every series in a participant's input and choose the one to measure."""

from bonecast.dicom.index import index_source
from bonecast.dicom.select import Settings, select_series
from bonecast.dicom.table import write_series
from bonecast.inputs import scan_source
from bonecast.private import nothing_quoted
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        source = scan_source(snakemake.wildcards.participant, snakemake.config["cohort"])
        with nothing_quoted():
            index = index_source(source, snakemake.threads)
        decisions = select_series(
            index, Settings(**snakemake.params.settings), snakemake.params.override
        )
        write_series(index, decisions, snakemake.output.series)
        log.info(
            "%d series, %d files outside any series, %s",
            len(decisions),
            sum(map(len, index.others.values())),
            "one chosen" if any(d.chosen for d in decisions) else "none chosen",
        )
