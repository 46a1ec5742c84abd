# Failback auto and lost subnets: who is at home and loses one is routed; who is away goes home when that can announce all of
# its addresses, and not before. Who has to leave its node goes where most can be announced, be it home or not.
cluster
nodes: n1 n2 n3 n4
vs1: home=n1 subnets=lan-a,lan-b
vs2: home=n4 subnets=lan-c
policy: failback=auto
----
vs1 starts on n1
vs2 starts on n4

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n2

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2

return node n1
----
nothing moves

fail subnet n2/lan-b
----
vs1-vip-lan-b moves n2 -> n1

heal subnet n1/lan-a
----
vs1 moves n2 -> n1

fail subnet n2/lan-a
----
nothing moves

fail subnet n1/lan-b
----
vs1-vip-lan-b moves n1 -> n3

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
vs1-vip-lan-b moves n3 -> n4

fail subnet n1/lan-c
----
vs1 moves n1 -> n3

heal subnet n1/lan-b
----
nothing moves

fail subnet n3/lan-a
----
vs1-vip-lan-a moves n3 -> n4

fail subnet n3/lan-b
----
vs1-vip-lan-b moves n3 -> n1

fail subnet n3/lan-c
----
vs1 moves n3 -> n4

heal subnet n1/lan-a
----
vs1 moves n4 -> n1
