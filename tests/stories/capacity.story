# What nodes can carry is hard: who comes first has room, and nobody is started where there is none.
cluster
nodes: n1 n2 n3
hard: n1=4 n2=4
vs1: priority=30 home=n1 cpu=3
vs2: priority=20 home=n2 cpu=2
vs3: priority=10 nodes=n1,n2 home=n2 cpu=1.5
vs4: nodes=n1,n2 home=n1
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n2
vs4 starts on n1
starts in order: vs1, then vs2, then vs3, then vs4

fail node n1
----
n1 is fenced
vs1 moves n1 -> n3
vs4 moves n1 -> n2
starts in order: vs1, then vs4

fail node n3
----
n3 is fenced
vs1 moves n3 -> n2
vs2 waits
vs3 waits

return node n1
----
vs2 starts on n1
vs3 starts on n1
starts in order: vs2, then vs3

change
hard: n1=4 n2=9
----
nothing moves

change
nodes: n1 n2 n3
hard: n1=4
----
nothing moves
