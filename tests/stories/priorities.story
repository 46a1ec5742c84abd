# R5: four classes of priority; the class between them has nothing to do and breaks no chain.
# Equals start side by side.
cluster
nodes: n1 n2 n3
vs1: priority=100 home=n1
vs2: priority=80 home=n2
vs3: priority=50 home=n1
vs4: priority=50 home=n1
vs5: priority=10 home=n1
vs6: priority=100 home=n1
vs7: priority=-5 home=n3
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n1
vs4 starts on n1
vs5 starts on n1
vs6 starts on n1
vs7 starts on n3
starts in order: vs1 vs6, then vs2, then vs3 vs4, then vs5, then vs7

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs3 moves n1 -> n3
vs4 moves n1 -> n2
vs5 moves n1 -> n3
vs6 moves n1 -> n2
starts in order: vs1 vs6, then vs3 vs4, then vs5
