# Hard capacity: a node dies, and the others have not room for all. Who comes first in priority has it, the last one waits.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
hard: n1=4 n2=4 n3=4
vs1: priority=30 home=n1 cpu=3
vs2: priority=20 home=n2 cpu=3
vs3: priority=10 home=n3 cpu=3
----

fail node n1
----

return node n1
----
