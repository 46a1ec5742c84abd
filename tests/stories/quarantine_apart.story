# R12: a filesystem is repaired on one node at a time, where its storage is reached, and never while it may be mounted.
cluster
nodes: n1 n2 n3
san2: nodes=n1,n2
vs1: home=n1 filesystems=root,data storage=san2 nfs=data
vs2: home=n3
----
vs1 starts on n1
vs2 starts on n3

stick vs1-fs-data
----
nothing moves

damage vs1/data
----
vs1-exp-data stops
vs1-fs-data stops

cold start
----
vs1 starts on n1
vs2 starts on n3

fail storage n1/san2
----
vs1 moves n1 -> n2

fail storage n2/san2
----
vs1-repair-data stops

heal storage n1/san2
----
vs1 moves n2 -> n1

drain n1
----
vs1-repair-data stops

undrain n1
----
vs1-repair-data starts

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
