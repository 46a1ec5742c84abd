"""How does a list of exports or shares fit into one parameter?

Entries are split at `;`, their words at blanks; any other byte that could be
mistaken is written `%XX`. `docs/contracts.md` has the two forms.
"""

from __future__ import annotations

_ACCESS = ("rw", "ro")
_SQUASH = ("root", "all", "none")
_UNSPEAKABLE = '"\\\n\r\0'
"""What cannot be written into the configuration of Ganesha or Samba."""


class Export:
    """One NFS export of a filesystem; `clients` are (who, "rw" or "ro")."""

    __slots__ = ("clients", "id", "path", "seen_as", "squash")

    def __init__(self, words: list[str]) -> None:
        if len(words) < 3:
            raise ValueError(f"{' '.join(words)!r} is not `path seen_as id=ID CLIENT=rw ...`")
        self.path = _path(words[0])
        self.seen_as = _path(words[1])
        self.id = 0
        self.squash = "root"
        clients = []
        for word in words[2:]:
            key, _, value = word.rpartition("=")
            if key == "id":
                self.id = int(value)
            elif key == "squash" and value in _SQUASH:
                self.squash = value
            elif value in _ACCESS and _is_client(key):
                clients.append((key, value))
            else:
                raise ValueError(f"{word!r} of {self.path} is not understood")
        if not 1 <= self.id <= 65535:
            raise ValueError(f"{self.path} needs id= from 1 to 65535")
        self.clients = tuple(clients)

    @property
    def identity(self) -> str:
        """What a client's file handle stands for: it changes only by taking the export away."""
        return f"{self.id} {_word(self.seen_as)} {_word(self.path)}"


class Share:
    """One SMB share of a filesystem; `users` are accounts, and groups as @group."""

    __slots__ = ("access", "name", "path", "users")

    def __init__(self, words: list[str]) -> None:
        if len(words) < 2:
            raise ValueError(f"{' '.join(words)!r} is not `share path access=rw users=alice,@staff`")
        self.name = words[0]
        self.path = _path(words[1])
        self.access = "rw"
        self.users: tuple[str, ...] = ()
        if any(each in "[]%/" or (each.isspace() and each != " ") for each in self.name):
            raise ValueError(f"a share cannot be called {self.name!r}")
        for word in words[2:]:
            key, sign, value = word.partition("=")
            if key == "access" and value in _ACCESS:
                self.access = value
            elif key == "users" and sign:
                self.users = tuple(each for each in value.split(",") if each)
            else:
                raise ValueError(f"{word!r} of share {self.name} is not understood")


def _is_client(who: str) -> bool:
    """Say whether this can be an address, a network, a host's name or `*`: it stands bare in a configuration."""
    return bool(who) and all((each.isascii() and each.isalnum()) or each in ".:/-_*" for each in who)


def exports(text: str) -> tuple[Export, ...]:
    return tuple(Export(words) for words in _split(text))


def shares(text: str) -> tuple[Share, ...]:
    return tuple(Share(words) for words in _split(text))


def _split(text: str) -> list[list[str]]:
    return [[_plain(word) for word in entry.split()] for entry in text.split(";") if entry.strip()]


def seen_as(identity: str) -> str:
    """Return the path by which clients knew the export of this identity."""
    return _plain(identity.split(" ")[1])


def _word(text: str) -> str:
    return text.replace("%", "%25").replace(" ", "%20")


def _plain(word: str) -> str:
    """Undo `%XX`."""
    first, *rest = word.encode().split(b"%")
    plain = (first + b"".join(bytes.fromhex(each[:2].decode()) + each[2:] for each in rest)).decode()
    if any(each in plain for each in _UNSPEAKABLE):
        raise ValueError(f"{plain!r} holds a character that no server configuration can")
    return plain


def _path(path: str) -> str:
    if not path.startswith("/") or any(each in (".", "..") for each in path.split("/")):
        raise ValueError(f"{path!r} is not an absolute path without . and ..")
    return path.rstrip("/") or "/"
