"""A client, run inside of a client machine: python -m tests.lab.clients KIND ... (see --help)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading

from tests.lab.clients.journal import Journal, read


def main() -> int:
    wanted = _parser().parse_args()
    if wanted.verify:
        with open(wanted.journal) as lines:  # noqa: PTH123 - lines are read as they are
            acknowledged = [each.n for each in read(lines).events if each.event == "ack"]
        print(json.dumps(_missing(wanted, acknowledged)))
        return 0
    tell = Journal(wanted.journal)

    def stop_with_input() -> None:
        """Leave at once, wherever the client waits, when standard input ends."""
        sys.stdin.buffer.read()
        tell("end")
        os._exit(0)

    tell("start")
    threading.Thread(target=stop_with_input, daemon=True).start()
    _work(wanted, tell)
    return 0


def _work(wanted: argparse.Namespace, tell: Journal) -> None:
    if wanted.kind in ("nfs", "nfs41"):
        from tests.lab.clients import nfs_writer

        where = (wanted.kind, wanted.host, wanted.path, wanted.file)
        nfs_writer.write(*where, wanted.run, wanted.every, tell)
    elif wanted.kind == "smb":
        from tests.lab.clients import smb_writer

        who = (wanted.user, wanted.password)
        smb_writer.write(wanted.host, wanted.path, wanted.file, *who, wanted.run, wanted.every, tell)
    elif wanted.kind == "nlm":
        from tests.lab.clients import nlm

        nlm.hold(wanted.host, wanted.path, wanted.file, tell)
    elif wanted.kind == "nfs4":
        from tests.lab.clients import prober

        prober.write_nfs4(wanted.host, wanted.path, wanted.file, max(wanted.every, 0.1), tell)
    else:
        from tests.lab.clients import prober

        prober.probe(wanted.host, wanted.kind.removeprefix("answers-"), tell)


def _missing(wanted: argparse.Namespace, acknowledged: list[int]) -> list[int]:
    if wanted.kind in ("nfs", "nfs41"):
        from tests.lab.clients import nfs_writer

        where = (wanted.kind, wanted.host, wanted.path, wanted.file)
        return nfs_writer.missing(*where, wanted.run, acknowledged)
    if wanted.kind == "smb":
        from tests.lab.clients import smb_writer

        who = (wanted.user, wanted.password)
        return smb_writer.missing(wanted.host, wanted.path, wanted.file, *who, wanted.run, acknowledged)
    sys.exit(f"{wanted.kind} writes nothing that could be verified")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.clients", description=__doc__)
    parser.add_argument("kind", choices=("nfs", "nfs41", "smb", "nlm", "nfs4", "answers-nfs", "answers-smb"))
    parser.add_argument("host")
    parser.add_argument("path", nargs="?", default="", help="NFS path, or name of the SMB share")
    parser.add_argument("--file", default="records", help="file in it to write (default: records)")
    parser.add_argument("--run", default="run", help="what marks the records of this run")
    parser.add_argument("--journal", required=True, help="where the client says what it lives through")
    parser.add_argument("--every", type=float, default=0.02, help="seconds between records (default: 0.02)")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--verify", action="store_true", help="print which acknowledged records are missing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
