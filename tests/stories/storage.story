# R11 (what the scheduler makes of it): exactly the servers on the lost unit move, to a node that reaches it.
# Where no node does they stay, unless the file says stop.
cluster
nodes: n1 n2 n3
vs1: home=n1 storage=san1
vs2: home=n1 storage=san2
vs3: home=n1 filesystems=root,data storage=san1,san2
vs4: home=n2 storage=san3 on_storage_loss=stop
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n1
vs4 starts on n2

fail storage n1/san1
----
vs1 moves n1 -> n3
vs3 moves n1 -> n3

heal storage n1/san1
----
nothing moves

fail storage n1/san2
----
vs2 moves n1 -> n2

fail storage n2/san2
----
vs2 moves n2 -> n3

fail storage n3/san2
----
nothing moves

heal storage n1/san2
----
vs2 moves n3 -> n1
vs3 moves n3 -> n1

fail storage n1/san3
----
nothing moves

fail storage n2/san3
----
vs4 moves n2 -> n3

fail storage n3/san3
----
vs4 waits

heal storage n2/san3
----
vs4 starts on n2
