"""Every vertebral body of a scan, cropped once, in its own axes."""

from dataclasses import replace

from bonecast.images import Volume
from bonecast.measure.frame import Body, crop_bodies
from bonecast.measure.plates import own_frame


def find_bodies(
    bodies: Volume, vertebrae: Volume, ct: Volume | None = None
) -> dict[str, Body | None]:
    """Crop every body of a scan and find its own axes, from head to foot.

    Args:
        bodies: VerSe codes, bodies only.
        vertebrae: VerSe codes, whole vertebrae, on the same grid.
        ct: HU on the same grid; left out, bodies have a shape but no attenuation.

    Returns:
        By level; None for a vertebra that has no body in `bodies`.
    """
    cropped = crop_bodies(bodies, vertebrae, ct)
    return {level: body and replace(body, frame=own_frame(body)) for level, body in cropped.items()}
