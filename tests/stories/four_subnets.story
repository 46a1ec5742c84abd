# R10 for a server on four subnets: routed while its node has a port, and when that has none it goes where most of its
# addresses can be announced, not where it likes best; where none can, it stays.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b,lan-c,lan-d
----
vs1 starts on n1

fail subnet n2/lan-a
----

fail subnet n2/lan-b
----

fail subnet n3/lan-a
----

fail subnet n1/lan-a
----

fail subnet n1/lan-b
----

fail subnet n1/lan-c
----

fail subnet n1/lan-d
----
