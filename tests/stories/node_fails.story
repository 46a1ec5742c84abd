# R4, R5: a node dies. What ran there starts on the survivors, evenly, in order of priority.
# Nothing moves back when the node returns.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
vs1: priority=100 home=n1 smb=root
vs2: priority=50 home=n1
vs3: priority=10 home=n1
vs4: priority=90 home=n2
vs5: priority=20 home=n3
vs6: priority=30 home=n1
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n1
vs4 starts on n2
vs5 starts on n3
vs6 starts on n1
starts in order: vs1, then vs4, then vs2, then vs6, then vs5, then vs3

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs2 moves n1 -> n3
vs3 moves n1 -> n2
vs6 moves n1 -> n3
starts in order: vs1, then vs2, then vs6, then vs3

return node n1
----
nothing moves

fail node n2
----
n2 is fenced
vs1 moves n2 -> n1
vs3 moves n2 -> n1
vs4 moves n2 -> n3
starts in order: vs1, then vs4, then vs3
