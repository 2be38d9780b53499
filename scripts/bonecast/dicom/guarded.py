"""Decoding of compressed pixels in a process of its own.

GDCM, which decodes them, ends its whole process on some damaged JPEG and JPEG-LS data
("terminate called after throwing an instance of gdcm::Exception"). A copy of the process is
made for each file, so that what dies is the copy.
"""

import faulthandler
import os
import resource
import signal
import warnings
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
from pydicom.dataset import Dataset

LIMIT_S = 120.0
"""An image that is not decoded by then will not be: the slowest coding takes a second."""

CPU_LIMIT_S = 180
"""Ends a decoder that goes on when the process that waited for it was killed."""


def pixel_array(dataset: Dataset) -> np.ndarray:
    """What pydicom's `pixel_array` gives, or an error where it would end the process.

    Raises:
        ValueError: the decoder died or did not end.
        MemoryError: it was killed, as the system does that runs out of memory.
        Exception: whatever pydicom raises.
    """
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        return dataset.pixel_array
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_pixels, args=(dataset, sender, receiver), daemon=True)
    with warnings.catch_warnings():
        # Idle threads of a numerical library hold no lock that decoding needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    try:
        if not receiver.poll(LIMIT_S):
            raise ValueError("the decoder did not end")
        found = receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGKILL:
            raise MemoryError("the decoder was killed") from None
        raise ValueError("the decoder died") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(found, Exception):
        raise found
    return found


def _send_pixels(dataset: Dataset, sender: Connection, receiver: Connection) -> None:
    # Else nothing would tell this process that the one that waits for it is gone.
    receiver.close()
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S + 1))
    # A dying decoder must leave neither words nor an image of its memory behind.
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        found = dataset.pixel_array
    except Exception as error:
        found = ValueError(type(error).__name__)
        if isinstance(error, OSError | MemoryError):
            found = error
    sender.send(found)
