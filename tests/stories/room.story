# Hard capacity: a node dies, and the others have not room for all. Who comes first in priority has it, the last one waits.
# Worlds: scheduler, lab.
cluster
nodes: n1 n2 n3
hard: n1=4 n2=4 n3=4
vs1: priority=30 home=n1 cpu=3
vs2: priority=20 home=n2 cpu=3
vs3: priority=10 home=n3 cpu=3
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n3
starts in order: vs1, then vs2, then vs3

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs2 moves n2 -> n3
vs3 waits
starts in order: vs1, then vs2

return node n1
----
vs3 starts on n1
