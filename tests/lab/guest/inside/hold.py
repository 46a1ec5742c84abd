"""Hold a lock on one open file and write through it until told to end: hold.py FILE [--every SECONDS]

Each write is a record of 32 bytes, in its own place, synced to the server. Each is told on a line of its own when it is
over: number, begin, end (seconds since 1970), errno. The first line is the lock, with the number 0.
The file is opened and locked once: a server that forgets either is told of here as an error.
"""

import argparse
import fcntl
import os
import signal
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--every", type=float, default=0.05)
    arguments = parser.parse_args()

    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("end"))
    file = os.open(arguments.file, os.O_RDWR | os.O_CREAT, 0o644)
    report(0, lambda: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
    number = 0
    while not told:
        number += 1
        report(number, lambda: write(file, number))  # noqa: B023 - called before the next round
        time.sleep(arguments.every)
    os.close(file)


def write(file, number):
    os.pwrite(file, b"%31d\n" % number, (number - 1) * 32)
    os.fsync(file)


def report(number, act):
    begin = time.time()
    try:
        act()
        error = 0
    except OSError as problem:
        error = problem.errno
    print(number, f"{begin:.6f}", f"{time.time():.6f}", error, flush=True)


if __name__ == "__main__":
    main()
