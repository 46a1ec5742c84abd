"""How much does each thing count when a node is chosen?

Pacemaker adds up, for every virtual server and node, what speaks for the node
and against it. The numbers below are far enough apart that every one of them
outweighs the sum of all below it, so that a lesser reason never wins over a
greater one by company. With six subnets lost at once (6 x 1000) and
announcers on six subnets (6 x 5 = 30), the sums are

    storage      380000  >  190000 + 105000 + 42000 + 21000 + 20780 = 378780
    evacuate     190000  >           105000 + 42000 + 21000 + 20780 = 188780
    move         105000  >                    42000 + 21000 + 20780 =  83780
    apart         42000  >                            21000 + 20780 =  41780
    evict         21000  >                                    20780
    no port        7000  >  6000 + 500 + 300 + 50 + 30              =   6880
    subnet         1000  >         500 + 300 + 50 + 30              =    880
    stickiness      500  >               300 + 50 + 30              =    380
    preference      300  >                     50 + 30              =     80
    unreported       50  >                          30

A server that is held (`failback.holds`), which most are, has other rows in the
places of no port, subnet and stickiness. It has to weigh lost subnets where it
may go, and not to leave for them. On n subnets, and with 380 for preference and
what is below,

    home       800 n + 800  >  800 n + 400 + 380         it goes back to a home that can announce all its addresses,
                                                         if the cluster file lets it
    held       800 n + 400  >  800 n + 380               it is routed where it is, wherever else is better
    cut off    800 n        >  800 n + 400 - 800 + 380   without a port it goes where one address more can be announced,
               800 n        <  800 n + 400 - 380         and only there
    fewer      800          >  2 x 380                   so that there is room between the two

These weigh 800 n + 800 + 800 n + 400 + 800 n + 800 n + 380 together: 20780 with
six subnets, more than the three rows above that they stand for. On these 20780
rests all that is above. With a seventh subnet the uppermost rows together would
be so near to what Pacemaker calls infinite that nothing else fits in: there the
table ends, and a server on more subnets is not held
(docs/decisions/0049-six-subnets.md).

The base carries a server through all of that: 760000 > 380000 + 378780, so a
node where everything is wrong is still better than none. A pinned server is
below zero on every other node, whatever speaks for it: 870000 > 760000 + 105000
+ 500 + 300. All are finite, also what speaks for one node together (876100),
since a ban on every node would stop the server, and since Pacemaker does not add
up laws.

Apart counts once for each server to keep away from: an operator's move goes to a
node with two of them (105000 > 84000 + 20780), and a drained node is left for one
with four (190000 > 168000 + 20780).
"""

from __future__ import annotations

from vsctl.policy.constraints import INFINITY

SUBNETS = 6
"""How many subnets may be lost at once before a lesser reason could win."""

NEVER = -INFINITY
BASE = 760_000
PINNED = -870_000
STORAGE_LOST = -380_000
EVACUATE = -190_000
MOVE = 105_000
APART = -42_000
EVICT = -21_000
NO_PORT = -7_000
SUBNET_LOST = -1_000
STICKINESS = 500
FEWER = -800
"""A subnet lost, for a server that is held."""

MARGIN = 400
"""Outweighs preference and all below it, as does the other half of what a lost subnet weighs."""

PREFERENCE = 300
UNREPORTED = -50
ANNOUNCER = 5
"""An announcer's colocation with its server: it is elsewhere only where it must (`subnet_loss`)."""

DIRECT = 2
"""An announcer on a node with a good port on the subnet, where host routes are another way: less than the above."""


def held(subnets: int) -> int:
    """Return the stickiness of a server on so many subnets that would be routed, and stays for that."""
    return MARGIN - FEWER * subnets


def cut_off(subnets: int) -> int:
    """Return what no good port counts for a server that is held."""
    return MARGIN - held(subnets)


def homeward(subnets: int) -> int:
    """Return what its home counts for a server that is held, and may go back by itself."""
    return held(subnets) + MARGIN
