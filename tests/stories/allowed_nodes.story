# A server runs on allowed nodes only, and on none that lacks its storage.
cluster
nodes: n1 n2 n3
san2: nodes=n2,n3
vs1: nodes=n1,n2 home=n1
vs2: storage=san2
vs3: nodes=n1
----
vs1 starts on n1
vs2 starts on n3
vs3 starts on n1

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs3 waits

fail node n2
----
n2 is fenced
vs1 waits

return node n1
----
vs1 starts on n1
vs3 starts on n1

return node n2
----
nothing moves
