# R10: who has to leave its node goes where most of its addresses can be announced, whatever it likes better. Nobody leaves
# a node for that alone: a lost subnet is routed through a peer. Where no node can announce any, it stays.
cluster
nodes: n1 n2 n3 n4
vs1: home=n1 subnets=lan-a,lan-b
vs2: home=n1 subnets=lan-a,lan-c
vs3: home=n4
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n4

fail subnet n2/lan-a
----
nothing moves

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
vs2-vip-lan-a moves n1 -> n4

fail subnet n1/lan-b
----
vs1-vip-lan-b moves n1 -> n2

fail subnet n1/lan-c
----
vs1 moves n1 -> n3
vs2 moves n1 -> n3

fail subnet n3/lan-b
----
vs1-vip-lan-b moves n3 -> n2

evict vs1
----
vs1 moves n3 -> n4

fail subnet n3/lan-a
----
vs2-vip-lan-a moves n3 -> n4

fail subnet n3/lan-c
----
vs2 moves n3 -> n4

fail subnet n4/lan-a
----
vs1-vip-lan-a stops
vs2-vip-lan-a stops
vs3-vip-lan-a stops

fail subnet n4/lan-b
----
vs1-vip-lan-b moves n4 -> n2

fail subnet n4/lan-c
----
vs1 moves n4 -> n2
vs2 moves n4 -> n2
