# R10: a node without any good port loses its servers, if they may go. Who routed for too long goes, too.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b
vs2: home=n1 pinned
vs3: home=n2
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n2

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
vs2-vip-lan-a moves n1 -> n2

fail subnet n1/lan-b
----
vs1 moves n1 -> n3

evict vs3
----
vs3 moves n2 -> n3

evict vs2
----
nothing moves

fail subnet n2/lan-a
----
vs2-vip-lan-a moves n2 -> n3

fail subnet n2/lan-b
----
nothing moves

fail subnet n3/lan-a
----
vs1-vip-lan-a stops
vs2-vip-lan-a stops
vs3-vip-lan-a stops

fail subnet n3/lan-b
----
vs1-vip-lan-b stops
