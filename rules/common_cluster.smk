# Which participants share a job of a cluster. No rules here; on one machine nothing of this counts.


def with_batch(steps):
    """Group of a participant's job: that of its batch, so that nothing waits for another batch.

    How many participants of a batch share a job is said by the profile: group-components of `steps`.
    The steps of a participant must follow one another: two that could run side by side would be
    given two CPUs within a job that has one.
    """

    def group(wildcards):
        name = f"{steps}_{BATCH_OF[participant_row(wildcards).scan_id]}"
        # Where Snakemake looks up which groups a number of components is meant for.
        workflow.parent_groupids[name] = steps
        if workflow.remote_exec:
            # This is the Snakemake within a job, which reads no profile: a participant that fails
            # must not stop those after it.
            workflow.execution_settings.keep_going = True
        return name

    return group
