# R10 for a server on four subnets: routed while its node has a port, and when that has none it goes where most of its
# addresses can be announced, not where it likes best; where none can, it stays.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b,lan-c,lan-d
----
vs1 starts on n1

fail subnet n2/lan-a
----
nothing moves

fail subnet n2/lan-b
----
nothing moves

fail subnet n3/lan-a
----
nothing moves

fail subnet n1/lan-a
----
vs1-vip-lan-a stops

fail subnet n1/lan-b
----
vs1-vip-lan-b moves n1 -> n3

fail subnet n1/lan-c
----
vs1-vip-lan-c moves n1 -> n2

fail subnet n1/lan-d
----
vs1 moves n1 -> n3

fail subnet n2/lan-c
----
nothing moves

fail subnet n2/lan-d
----
nothing moves

fail subnet n3/lan-b
----
vs1-vip-lan-b stops

fail subnet n3/lan-c
----
vs1-vip-lan-c stops

fail subnet n3/lan-d
----
vs1-vip-lan-d stops
