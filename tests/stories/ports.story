# A port dies, then the last port of a subnet, then all ports of a node.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b
vs2: home=n1 subnets=lan-b
vs3: home=n2
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n2

fail port n1/e0a
----
nothing moves

fail port n1/e0b
----
vs1-vip-lan-a moves n1 -> n3

fail port n1/e1a
----
vs1 moves n1 -> n3
vs2 moves n1 -> n2

heal port n1/e1a
----
nothing moves

fail subnet n2/lan-a
----
vs3-vip-lan-a moves n2 -> n3

fail subnet n3/lan-a
----
vs1-vip-lan-a stops
vs3-vip-lan-a stops
