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

fail node n1
----

return node n1
----

fail subnet n2/lan-b
----

heal subnet n1/lan-a
----

fail subnet n2/lan-a
----

fail subnet n1/lan-b
----

fail subnet n1/lan-a
----

fail subnet n1/lan-c
----

heal subnet n1/lan-b
----

fail subnet n3/lan-a
----

fail subnet n3/lan-b
----

fail subnet n3/lan-c
----

heal subnet n1/lan-a
----
