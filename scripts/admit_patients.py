"""Decide who is modelled, with which columns, and whether there are events enough."""

from bonecast.model.cohort import admit
from bonecast.model.features import describe_features
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        settings, endpoint = snakemake.params.settings, snakemake.wildcards.endpoint
        analysis = admit(dict(snakemake.input), endpoint, settings, snakemake.params.set_aside)
        features = describe_features(analysis, endpoint, settings)
        analysis.frame.to_parquet(snakemake.output.analysis_set, index=False)
        analysis.exclusions.to_csv(
            snakemake.output.exclusions, sep="\t", index=False, lineterminator="\n"
        )
        write_json(features, snakemake.output.features)
        log.info("%d patients, %d exclusions", len(analysis.frame), len(analysis.exclusions))
        for line in filter(None, [features["detail"], *features["warnings"]]):
            log.warning(line)
