# R10: a node that loses its last good port loses its servers, and does not take them back by itself.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b
vs2: home=n1
----
vs1 starts on n1
vs2 starts on n1

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
vs2-vip-lan-a moves n1 -> n2

fail subnet n1/lan-b
----
vs1 moves n1 -> n2
vs2 moves n1 -> n3

heal subnet n1/lan-a
----
nothing moves

heal subnet n1/lan-b
----
nothing moves
