"""On which subnets are the ports of every node?"""

from __future__ import annotations


def ports(text: str) -> dict[str, dict[str, str]]:
    """Read `n1=e0a:lan-a,e1a:lan-b n2=ens5:lan-a`: of each node its ports and their subnets."""
    found = {}
    for each in text.split():
        node, _, words = each.partition("=")
        split = [word.partition(":") for word in words.split(",")]
        if not (node and all(port and subnet for port, _, subnet in split)):
            raise ValueError(f"{each} is not of the form node=port:subnet,port:subnet")
        found[node] = {port: subnet for port, _, subnet in split}
    return found
