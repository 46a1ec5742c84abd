# n1 is left with lan-c, which has no routers: a peer announces, on the subnet itself if one can, by host route if none can.
cluster
nodes: n1 n2 n3
routers: lan-b
without: n1/lan-b
vs1: home=n1 nodes=n1,n2 subnets=lan-a
vs2: home=n2 subnets=lan-c pinned
----
vs1 starts on n1
vs2 starts on n2

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3

fail subnet n3/lan-a
----
vs1-vip-lan-a moves n3 -> n2

fail subnet n2/lan-a
----
vs1-vip-lan-a moves n2 -> n3

heal subnet n3/lan-a
----
nothing moves

heal subnet n1/lan-a
----
vs1-vip-lan-a moves n3 -> n1
