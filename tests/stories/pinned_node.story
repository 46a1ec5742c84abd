# R6: a pinned server waits for its node and comes back with it. An operator can move it.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
vs1: home=n1
vs2: pinned home=n1
----
vs1 starts on n1
vs2 starts on n1

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs2 waits

return node n1
----
vs2 starts on n1

drain n1
----
nothing moves

undrain n1
----
nothing moves

move vs2 n2
----
vs2 moves n1 -> n2

failback vs2
----
vs2 moves n2 -> n1
