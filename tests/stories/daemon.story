# A node daemon dies. It is nobody's foundation: no server moves, no part of one is touched.
cluster
nodes: n1 n2 n3
vs1: home=n1
vs2: home=n2
----
vs1 starts on n1
vs2 starts on n2

fail resource vsctl-daemon
----
nothing moves
