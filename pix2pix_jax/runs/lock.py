"""One process at a time trains in a run's folder."""

import contextlib
import errno
import logging
import os
import pathlib
import platform
from types import TracebackType

from pix2pix_jax.core.errors import InputError, one_line

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)  # of a file system


class RunLock:
    """A context that holds the lock of a run's folder, once that has been taken.

    It is a lock of the operating system on the file `.lock`: it ends with the process, also if that
    is killed. The file stays, and names its last owner. On network file systems it holds between
    machines as far as these pass on `flock` (NFS 4 and Lustre mounted with `-o flock` do); where a
    file system or Windows has no such locks, training goes on without, and says so.
    """

    def __init__(self, path: pathlib.Path) -> None:
        """Describe the lock; nothing is taken yet.

        Args:
            path: The file, `RunFolder.lock_file`.
        """
        self._path = path
        self._handle: int | None = None

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)  # gives the lock back
            self._handle = None

    def take(self) -> None:
        """Take the lock; if it is held already, nothing happens. The folder must exist.

        Raises:
            InputError: Another process holds it; the message names its host and its process id.
        """
        if self._handle is not None:
            return
        try:
            import fcntl
        except ModuleNotFoundError:  # Windows
            logger.info("this system has no file locks: do not start a run twice")
            return
        if self._path.is_symlink():  # its name would be written over the file it leads to
            raise InputError(f"{self._path}: is a link; delete it")
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = one_line(os.read(handle, 200).decode(errors="replace").strip())
            os.close(handle)
            if error.errno in _NO_LOCKS:
                logger.info("%s: no file locks there: do not start a run twice", self._path.parent)
                return
            raise InputError(
                f"{self._path.parent}: another process trains there ({owner or 'just started'}); "
                "wait for its end, stop it, or choose another --workdir"
            ) from None
        self._handle = handle
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the name
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {platform.node()}\n".encode())
