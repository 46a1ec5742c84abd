# R14: three servers that need much are all on n1. Two of them go to two other nodes, and it holds: a second look,
# the file applied again and the return of a node change nothing. What nobody needs is not moved.
cluster
nodes: n1 n2 n3
vs1:
vs2:
vs3:
vs4:
vs5:
vs6:
vs7:
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n3
vs4 starts on n1
vs5 starts on n2
vs6 starts on n3
vs7 starts on n1

rebalance
vs1: 3
vs4: 3
vs7: 3
----
vs1 moves n1 -> n2
vs4 moves n1 -> n3

rebalance
vs1: 3
vs4: 3
vs7: 3
----
nothing moves

change
vs2: priority=10
----
nothing moves

fail node n3
----
n3 is fenced
vs3 moves n3 -> n2
vs4 moves n3 -> n1
vs6 moves n3 -> n1

return node n3
----
nothing moves
