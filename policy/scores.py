"""How much does each thing count when a node is chosen?

Pacemaker adds up, for every virtual server and node, what speaks for the node
and against it. The numbers below are far enough apart that every one of them
outweighs the sum of all below it, so that a lesser reason never wins over a
greater one by company. With four subnets lost at once (4 x 1000) and
announcers on four subnets (4 x 10 = 40), the sums are

    storage      280000  >  140000 + 80000 + 30000 + 15000 + 14390 = 279390
    evacuate     140000  >           80000 + 30000 + 15000 + 14390 = 139390
    move          80000  >                   30000 + 15000 + 14390 =  59390
    apart         30000  >                           15000 + 14390 =  29390
    evict         15000  >                                   14390
    no port        5000  >  4000 + 500 + 300 + 50 + 40             =   4890
    subnet         1000  >         500 + 300 + 50 + 40             =    890
    stickiness      500  >               300 + 50 + 40             =    390
    preference      300  >                     50 + 40             =     90
    unreported       50  >                          40

A server that is held (`failback.holds`), which most are, has other rows in the
places of no port, subnet and stickiness. It has to weigh lost subnets where it
may go, and not to leave for them. On n subnets, and with 390 for preference and
what is below,

    home       800 n + 800  >  800 n + 400 + 390         it goes back to a home that can announce all its addresses,
                                                         if the cluster file lets it
    held       800 n + 400  >  800 n + 390               it is routed where it is, wherever else is better
    cut off    800 n        >  800 n + 400 - 800 + 390   without a port it goes where one address more can be announced,
               800 n        <  800 n + 400 - 390         and only there
    fewer      800          >  2 x 390                   so that there is room between the two

These weigh 800 n + 800 + 800 n + 400 + 800 n + 800 n + 390 together: 14390 with
four subnets, more than the three rows above that they stand for. Where a fifth
were lost, 400 would have to outweigh 400: there the table ends, and a server on
more subnets is not held (docs/decisions/0042-held-at-home-too.md).

The base carries a server through all of that: 560000 > 280000 + 279390, so a
node where everything is wrong is still better than none. A pinned server is
below zero on every other node, whatever speaks for it: 660000 > 560000 + 500 +
300, as an operator's move changes its pin. All are finite, since a ban on every
node would stop the server, and since Pacemaker does not add up laws.

Apart counts once for each server to keep away from: an operator's move goes to a
node with two of them (80000 > 60000 + 14390), and a drained node is left for one
with four (140000 > 120000 + 14390).
"""

from __future__ import annotations

from vsctl.policy.constraints import INFINITY

SUBNETS = 4
"""How many subnets may be lost at once before a lesser reason could win."""

NEVER = -INFINITY
BASE = 560_000
PINNED = -660_000
STORAGE_LOST = -280_000
EVACUATE = -140_000
MOVE = 80_000
APART = -30_000
EVICT = -15_000
NO_PORT = -5_000
SUBNET_LOST = -1_000
STICKINESS = 500
FEWER = -800
"""A subnet lost, for a server that is held."""

MARGIN = 400
"""Outweighs preference and all below it, as does the other half of what a lost subnet weighs."""

PREFERENCE = 300
UNREPORTED = -50
ANNOUNCER = 10
"""An announcer's colocation with its server: it is elsewhere only where it must (`subnet_loss`)."""

DIRECT = 5
"""An announcer on a node with a good port on the subnet, where host routes are another way: half of the above."""


def held(subnets: int) -> int:
    """Return the stickiness of a server on so many subnets that would be routed, and stays for that."""
    return MARGIN - FEWER * subnets


def cut_off(subnets: int) -> int:
    """Return what no good port counts for a server that is held."""
    return MARGIN - held(subnets)


def homeward(subnets: int) -> int:
    """Return what its home counts for a server that is held, and may go back by itself."""
    return held(subnets) + MARGIN
