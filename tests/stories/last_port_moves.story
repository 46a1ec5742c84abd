# R10: a node that loses its last good port loses its servers, pinned ones excepted, and takes nothing back by itself.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b
vs2: home=n1
----

fail subnet n1/lan-a
----

fail subnet n1/lan-b
----

heal subnet n1/lan-a
----

heal subnet n1/lan-b
----
