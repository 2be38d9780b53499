"""Errors of the storage. None of them says anything of a scan, so none is ever an exclusion."""

import errno

FULL = "the disk is full or the quota used up: free space for results and temporary files"
GONE = "a file or folder is gone: see that the cohort's folders are mounted and complete"
REFUSED = "a file or folder may not be read or written: see its permissions"
FAILING = "a disk or network drive does not answer as it should: see the system's log"
SHORT = "the system has no memory or file handles left: run fewer jobs at once"

STORAGE_FAULTS = (
    dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FULL)
    | dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENOTCONN), GONE)
    | dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), REFUSED)
    | dict.fromkeys((errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN), FAILING)
    | dict.fromkeys((errno.ENOMEM, errno.EMFILE, errno.ENFILE), SHORT)
)
"""What to do about an error, by its number."""
