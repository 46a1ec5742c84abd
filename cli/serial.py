"""How is a cluster kept in its own configuration?

As JSON, one object for the cluster and one for each virtual server, so that
a change of one server changes one property; `docs/contracts.md` names them.
What has its default is left out, so a release may add fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from ipaddress import ip_address, ip_interface, ip_network
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from vsctl.policy.model import Address, Cluster, Interface, Network, VirtualServer

CLUSTER = "vsctl-cluster"
SERVER = "vsctl-server-"
ADDRESSES: dict[Any, Callable[[Any], Any]] = {
    Address: ip_address,
    Interface: ip_interface,
    Network: ip_network,
}


class NotOurs(ValueError):  # noqa: N818 - what the configuration is
    """The stored configuration is not one that this vsctl can read; the sentence says why."""


def to_json(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return the value of each property, ready for `json.dumps`, by its name.

    `servers` of the cluster lists the names, because their order means something.
    """
    rest = _encode(replace(cluster, servers=()))
    names = [each.name for each in cluster.servers]
    return {CLUSTER: {**rest, "servers": names}} | {
        f"{SERVER}{each.name}": _encode(each) for each in cluster.servers
    }


def from_json(properties: Mapping[str, Any]) -> Cluster:
    """Return the cluster that `to_json` stored, or raise NotOurs; other properties are left alone."""
    if CLUSTER not in properties:
        raise NotOurs(f"the property {CLUSTER} is missing")
    stored = properties[CLUSTER]
    names = stored.get("servers") if isinstance(stored, dict) else None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise NotOurs(f"the property {CLUSTER} does not list the virtual servers")
    missing = [each for each in names if f"{SERVER}{each}" not in properties]
    if missing:
        raise NotOurs(f"the property {SERVER}{missing[0]} is missing")
    rest = _decode(Cluster, {**stored, "servers": []}, CLUSTER)
    servers = tuple(
        _decode(VirtualServer, properties[f"{SERVER}{each}"], f"{SERVER}{each}") for each in names
    )
    cluster: Cluster = replace(rest, servers=servers)
    return cluster


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        return {
            each.name: _encode(found)
            for each in fields(value)
            if (found := getattr(value, each.name)) != _default(each)
        }
    if isinstance(value, tuple):
        return [_encode(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any, where: str) -> Any:
    try:
        return _decoded(kind, value, where)
    except (TypeError, KeyError, AttributeError) as error:
        raise NotOurs(f"the property {where} is not what vsctl writes ({error})") from None
    except ValueError as error:
        if isinstance(error, NotOurs):
            raise
        raise NotOurs(f"the property {where} holds a value that vsctl does not write ({error})") from None


def _decoded(kind: Any, value: Any, where: str) -> Any:
    if kind in ADDRESSES:
        return ADDRESSES[kind](value)
    if is_dataclass(kind):
        return _of_fields(kind, value, where)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return tuple(_decoded(inner[0], each, where) for each in value)
        return tuple(_decoded(each, part, where) for each, part in zip(inner, value, strict=True))
    if get_origin(kind) in (Union, UnionType):
        return None if value is None else _decoded(get_args(kind)[0], value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if not isinstance(value, (int, float) if kind is float else kind):
        raise TypeError(f"{value!r} where {kind.__name__} belongs")
    return value


def _of_fields(kind: Any, value: Any, where: str) -> Any:
    types = _types(kind)
    unknown = sorted(set(value) - set(types))
    if unknown:
        raise NotOurs(f"the property {where} has {unknown[0]}, which only a newer vsctl can read")
    return kind(**{name: _decoded(types[name], each, where) for name, each in value.items()})
