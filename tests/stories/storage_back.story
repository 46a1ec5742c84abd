# R11: the unit comes back. Whether its servers do is what failback says; one that stopped starts at home, where it can.
cluster
nodes: n1 n2 n3
vs1: home=n1 storage=san1
vs2: home=n1 storage=san2
vs3: home=n1 storage=san1 on_storage_loss=stop
policy: failback=auto
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n1

fail storage n1/san1
----
vs1 moves n1 -> n2
vs3 moves n1 -> n2

heal storage n1/san1
----
vs1 moves n2 -> n1
vs3 moves n2 -> n1

fail storage n1/san1
----
vs1 moves n1 -> n2
vs3 moves n1 -> n2

fail storage n2/san1
----
vs1 moves n2 -> n3
vs3 moves n2 -> n3

fail storage n3/san1
----
vs1 moves n3 -> n1
vs3 waits

heal storage n1/san1
----
vs3 starts on n1
