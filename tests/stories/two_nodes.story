# Two nodes: what one holds the other takes, in order.
cluster
nodes: n1 n2
vs1: priority=2
vs2: priority=1
vs3:
vs4:
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n1
vs4 starts on n2
starts in order: vs1, then vs2, then vs3 vs4

fail node n2
----
n2 is fenced
vs2 moves n2 -> n1
vs4 moves n2 -> n1
starts in order: vs2, then vs4

return node n2
----
nothing moves

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs2 moves n1 -> n2
vs3 moves n1 -> n2
vs4 moves n1 -> n2
starts in order: vs1, then vs2, then vs3 vs4
