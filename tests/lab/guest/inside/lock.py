"""Try to lock a file as somebody else would: lock.py FILE; status 0 it was free, 1 it is held."""

import fcntl
import os
import sys


def main():
    file = os.open(sys.argv[1], os.O_RDWR)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
