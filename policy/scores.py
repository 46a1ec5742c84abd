"""How much does each thing count when a node is chosen?

Pacemaker adds up, for every virtual server and node, what speaks for the node
and against it. The numbers below are far enough apart that every one of them
outweighs the sum of all below it, so that a lesser reason never wins over a
greater one by company. With three subnets lost at once (3 x 1000 = 3000) and
announcers on three subnets (3 x 10 = 30), the sums are

    storage      200000  >  100000 + 45000 + 20000 + 10000 + 4000 + 3000 + 500 + 300 + 50 + 30 = 182880
    evacuate     100000  >           45000 + 20000 + 10000 + 4000 + 3000 + 500 + 300 + 50 + 30 =  82880
    move          45000  >                   20000 + 10000 + 4000 + 3000 + 500 + 300 + 50 + 30 =  37880
    apart         20000  >                           10000 + 4000 + 3000 + 500 + 300 + 50 + 30 =  17880
    evict         10000  >                                   4000 + 3000 + 500 + 300 + 50 + 30 =   7880
    no port        4000  >                                          3000 + 500 + 300 + 50 + 30 =   3880
    subnet         1000  >                                                 500 + 300 + 50 + 30 =    880
    stickiness      500  >                                                       300 + 50 + 30 =    380
    preference      300  >                                                             50 + 30 =     80
    unreported       50  >                                                                   30

A server that is held (`failback.holds`), which most are, has 2800, 2400 and 800 in
the places of stickiness, no port and subnet. It has to weigh lost subnets where
it may go, and not to leave for them. With 380 for preference and what is below

    held          2800  >  3 x 800 + 380           it is routed where it is, wherever is better
    cut off       2400  >  2800 - 800 + 380        without a port it goes where one address more can be announced,
                  2400  <  2800 - 380              and only there
    fewer          800  >  2 x 380                 so that there is room between the two
    evict        10000  >  2800 + 2400 + 3 x 800 + 380

(docs/decisions/0035-lost-subnets-count-for-who-has-to-leave.md).

The base carries a server through all of that: 500000 > 200000 + 182880, so a
node where everything is wrong is still better than none. A pinned server is
below zero on every other node, whatever speaks for it: 600000 > 500000 +
45000 + 500 + 300. All are finite, since a ban on every node would
stop the server, and since Pacemaker does not add up laws.

Apart counts once for each server to keep away from; with five of them on one
node it outweighs a drain of the only other one.
"""

from __future__ import annotations

from vsctl.policy.constraints import INFINITY

SUBNETS = 3
"""How many subnets may be lost at once before a lesser reason could win."""

NEVER = -INFINITY
BASE = 500_000
PINNED = -600_000
STORAGE_LOST = -200_000
EVACUATE = -100_000
MOVE = 45_000
APART = -20_000
EVICT = -10_000
NO_PORT = -4_000
SUBNET_LOST = -1_000
STICKINESS = 500
HELD = 2_800
"""Stickiness of a server that would be routed, and stays for that."""

CUT_OFF = -2_400
"""No good port, for a server that is held."""

FEWER = -800
"""A subnet lost, for a server that is held."""

PREFERENCE = 300
UNREPORTED = -50
ANNOUNCER = 10
"""An announcer's colocation with its server: it is elsewhere only where it must (`subnet_loss`)."""

DIRECT = 5
"""An announcer on a node with a good port on the subnet, where host routes are another way: half of the above."""
