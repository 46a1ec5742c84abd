# A stop that hangs with its storage costs the node nothing else: no fencing. Its server waits, blocked, until the
# node has let the others go and is fenced.
cluster
nodes: n1 n2 n3
vs1: home=n1 filesystems=root,data
vs2: home=n1
vs3: home=n2
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n2

stick vs1-fs-data
----
nothing moves

fail resource vs1-fs-data
----
vs1-fs-data stops

evacuate n1
----
vs2 moves n1 -> n2
vs1-vip-lan-a stops
vs1-exp-root stops
vs1-fs-root stops
vs1-gate stops
vs1-nfs stops

fail node n1
----
n1 is fenced
vs1 moves n1 -> n3
