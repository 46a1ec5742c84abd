"""What does `os` offer, without the price of `import os`?

`os` defines abstract base classes for the sake of its environment, which costs
a process a fifth of what the bare interpreter does. `posix`, which is
underneath it, is built in. This module has the names of `os` with their
meanings, those written in Python that monitors need among them; a name that
is not here is taken from `os`, at its price.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import *  # noqa: F403
    from os import _exit as _exit
else:
    from posix import *  # noqa: F403
    from posix import _exit, environ, mkdir, stat  # noqa: F401

    _environ = environ
    del environ  # of bytes; that of `os` is of text

    def __getattr__(name):
        import os

        return getattr(os, name)

    def getenv(key, default=None):
        if "os" in sys.modules:  # which may have changed it
            return __getattr__("getenv")(key, default)
        value = _environ.get(key.encode())
        return default if value is None else value.decode(errors="surrogateescape")

    def makedirs(name, mode=0o777, exist_ok=False):
        try:
            mkdir(name, mode)
        except FileNotFoundError:
            makedirs(path.dirname(name), exist_ok=True)
            makedirs(name, mode, exist_ok)
        except FileExistsError:
            if exist_ok and not path.exists(name):  # it went this moment
                makedirs(name, mode, exist_ok)
            elif not (exist_ok and path.isdir(name)):
                raise

    class _Path:
        def __getattr__(self, name):
            import os

            return getattr(os.path, name)

        def exists(self, path):
            try:
                stat(path)
            except OSError:
                return False
            return True

        def isdir(self, path):
            try:
                return stat(path).st_mode & 0o170000 == 0o040000
            except OSError:
                return False

        def dirname(self, path):
            head, slash, _ = path.rpartition("/")
            return head.rstrip("/") or slash

        def basename(self, path):
            return path.rpartition("/")[2]

    path = _Path()
