# Failback in a window that spans midnight, to the minute.
cluster
nodes: n1 n2
vs1: home=n1
policy: failback=22:30-05:15
----
vs1 starts on n1

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2

return node n1
----
nothing moves

time 22:29
----
nothing moves

time 22:30
----
vs1 moves n2 -> n1

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2

return node n1
----
vs1 moves n2 -> n1

time 05:15
----
nothing moves

fail storage n1/san1
----
vs1 moves n1 -> n2

heal storage n1/san1
----
nothing moves

time 05:14
----
vs1 moves n2 -> n1
