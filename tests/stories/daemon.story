# A node daemon dies. It is nobody's foundation: no server moves, no part of one is touched. One that does not end
# either is left as it is: its node is not fenced for it, neither at once nor when the cluster thinks again.
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

stick vsctl-daemon
----
nothing moves

fail resource vsctl-daemon
----
nothing moves

time 12:05
----
nothing moves
