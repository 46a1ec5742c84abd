# A window and lost subnets: outside it all is as with failback: manual, inside it who is away goes home as soon as that can
# announce all of its addresses.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b
policy: failback=22:00-05:00
----
vs1 starts on n1

time 23:00
----
nothing moves

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3

fail subnet n2/lan-a
----
nothing moves

fail subnet n1/lan-b
----
vs1 moves n1 -> n3

heal subnet n1/lan-b
----
nothing moves

time 06:00
----
nothing moves

heal subnet n1/lan-a
----
nothing moves

time 22:00
----
vs1 moves n3 -> n1

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
