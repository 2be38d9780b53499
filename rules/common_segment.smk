# Which masks, weights and settings the rules of segmentation take. No rules here.
import glob

from bonecast.cohort import check_masks
from bonecast.inputs import mask_path

# What names a participant's vertebrae: the batch it was segmented in, or the user's masks.
HAS_MASKS = config["segment"]["backend"] == "masks"

KNOWN_MASK_LABELS = ("verse", "totalsegmentator", "totalsegmentator_bodies")
KNOWN_TISSUE_LABELS = ("bonecast", "totalsegmentator", "tissue_types", "tissue_4_types")

# TotalSegmentator holds a whole body with all its classes at the scan's resolution. Ours holds one
# scan before and one after the network, on a GPU one for every two threads: with 26 classes of
# 512 x 512 x 300 voxels 7.7 GB, and 17.6 GB with eight threads (measured).
if config["segment"]["backend"] == "totalsegmentator":
    SEGMENTATION_MB = growing(20000)
elif config["segment"]["device"] == "cpu":
    SEGMENTATION_MB = growing(8000)
else:
    SEGMENTATION_MB = growing(4000, per_thread=2000)


@cache
def check_supplied_masks():
    """Stop on masks that are named and not there, now rather than going on without them."""
    if not is_compared():
        return
    options = ("masks", "bodies", "tissue")
    folders = {f"segment.{option}": located(config["segment"][option]) for option in options}
    try:
        check_masks(scans_in_use(), folders, existing)
    except CohortError as error:
        raise WorkflowError(str(error)) from None


def mask_states(wildcards):
    """Tells the user's masks of a participant from others; no inputs, for paths name patients."""
    check_scans_are_there()
    check_supplied_masks()
    kinds = ["tissue", "mask", "bodies"] if HAS_MASKS else ["tissue"]
    row = participant_row(wildcards)
    return {
        kind: state_of(mask_path(row, kind, config["segment"], WORKFLOW_HOME)) for kind in kinds
    }


def labels_input(option, known):
    """The user's own list of mask values as rule input; nothing for a numbering known by name."""
    labels = config["segment"][option]
    if labels in known:
        return []
    if not os.path.isfile(located(labels)):
        raise WorkflowError(
            f"segment.{option}: {labels} is neither one of {', '.join(known)} nor a file"
        )
    return located(labels)


def mask_labels_input():
    """The list of what the values of vertebra masks mean."""
    return labels_input("mask_labels", KNOWN_MASK_LABELS)


def tissue_labels_input():
    """The list of what the values of tissue masks mean."""
    return labels_input("tissue_labels", KNOWN_TISSUE_LABELS)


def batch_scans(wildcards):
    """The scans of a batch."""
    return [
        f"results/{config['cohort']['name']}/participants/{participant}/ct.nii.gz"
        for participant in BATCHES[wildcards.batch]
    ]


def turn_of_batch(wildcards):
    """Priority of a scan's ingest: batch after batch, so that the network begins early.

    In no order, nearly all scans are converted before the first batch is whole.
    """
    return -int(BATCH_OF[wildcards.participant])


# Options of the segment section that decide what a network gives: the others segment nothing anew.
ENGINE_OPTIONS = ("backend", "model", "folds", "checkpoint", "tile_step", "mirroring", "device")
TOTALSEGMENTATOR_OPTIONS = ("backend", "weights_dir", "totalsegmentator", "device")


def engine_settings():
    """What the segmentation backend is opened with."""
    if config["segment"]["backend"] == "totalsegmentator":
        return {option: config["segment"][option] for option in TOTALSEGMENTATOR_OPTIONS}
    settings = {option: config["segment"][option] for option in ENGINE_OPTIONS}
    return settings | {"model": located(settings["model"])}


def model_files(wildcards):
    """What decides a segmentation: an nnU-Net's plans, label map and weights, or fetched weights."""
    if config["segment"]["backend"] == "totalsegmentator":
        return f"results/{config['cohort']['name']}/segmentation/weights.json"
    folder = located(config["segment"]["model"])
    weights = sorted(glob.glob(os.path.join(glob.escape(folder), "fold_*", "checkpoint_*.pth")))
    return [f"{folder}/plans.json", f"{folder}/dataset.json", *weights]


def batch_of_scan(wildcards):
    """The batch a participant was segmented in."""
    folder = f"results/{config['cohort']['name']}/segmentation"
    return f"{folder}/batch_{BATCH_OF[participant_row(wildcards).scan_id]}.tsv"


def told_of_masks(wildcards):
    """What the user's tables and folders say of a participant's masks, for params."""
    return {
        "masks": mask_states(wildcards),
        "level_shift": participant_row(wildcards).level_shift,
        "correction": correction_of(wildcards).digests(),
    }
