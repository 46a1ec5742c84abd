"""Lock a file, and write through it until told to end: hold.py FILE RUN [--every SECONDS] [--unlocked]

Records, and the journal on standard output, are those of tests/lab/clients, times in seconds since 1970.
The file is opened and locked once, or only opened: a server that forgets either is told of here as an error.
"""

import argparse
import errno
import fcntl
import itertools
import json
import os
import signal
import time

import record


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("run")
    parser.add_argument("--every", type=float, default=0.05)
    parser.add_argument("--unlocked", action="store_true")
    wanted = parser.parse_args()

    signals = []
    signal.signal(signal.SIGTERM, lambda *_: signals.append("end"))
    tell("start")
    file = os.open(wanted.file, os.O_RDWR | os.O_CREAT, 0o644)
    lock = wanted.unlocked or tried("lock", lambda: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
    if not lock:
        return
    for n in itertools.count():
        if tried(f"write {n}", lambda n=n: write(file, wanted.run, n)):
            tell("ack", n=n)
        if signals:
            break
        time.sleep(wanted.every)
    if not wanted.unlocked:
        tried("unlock", lambda: fcntl.lockf(file, fcntl.LOCK_UN))
    tried("close", lambda: os.close(file))
    tell("end")


def write(file, run, n):
    os.pwrite(file, record.record(run, n), n * record.SIZE)
    os.fsync(file)


def tried(what, act):
    try:
        act()
    except OSError as problem:
        tell("error", text=f"{what}: {errno.errorcode[problem.errno]}")
        return False
    return True


def tell(event, **more):
    print(json.dumps({"at": time.time(), "event": event, **more}), flush=True)


if __name__ == "__main__":
    main()
