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

fail subnet n1/lan-a
----

fail subnet n2/lan-a
----

fail subnet n1/lan-b
----

heal subnet n1/lan-b
----

time 06:00
----

heal subnet n1/lan-a
----

time 22:00
----

fail subnet n1/lan-a
----
