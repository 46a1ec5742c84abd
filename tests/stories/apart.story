# Servers that keep apart share a node only when there is no other; the one that gives way leaves again.
# What one of them needs elsewhere does not pull the other.
cluster
nodes: n1 n2 n3
vs1: priority=100 home=n1
vs2: apart=vs1
vs3: storage=san2 home=n3 apart=vs1
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n3
starts in order: vs1, then vs2 vs3

fail storage n3/san2
----
vs3 moves n3 -> n2

heal storage n3/san2
----
nothing moves

move vs3 n3
----
vs3 moves n2 -> n3

failback vs3
----
nothing moves

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs2 moves n2 -> n3
starts in order: vs1, then vs2

return node n1
----
nothing moves

fail node n2
----
n2 is fenced
vs1 moves n2 -> n1

fail node n3
----
n3 is fenced
vs2 moves n3 -> n1
vs3 moves n3 -> n1

return node n2
----
vs2 moves n1 -> n2
vs3 moves n1 -> n2

return node n3
----
nothing moves
