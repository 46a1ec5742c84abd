# A node is drained: it empties, even across a reboot, and takes servers again afterwards.
# Two drained nodes of two are no reason to stop.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2
vs1: home=n1
vs2: home=n2
vs3: home=n1 pinned
----
vs1 starts on n1
vs2 starts on n2
vs3 starts on n1

drain n1
----
vs1 moves n1 -> n2

fail node n1
----
n1 is fenced
vs3 waits

return node n1
----
vs3 starts on n1

drain n2
----
nothing moves

undrain n1
----
vs1 moves n2 -> n1
vs2 moves n2 -> n1

undrain n2
----
nothing moves
