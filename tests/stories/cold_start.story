# All nodes start at once, and one has reported first: servers still start at home.
cluster
nodes: n1 n2 n3
vs1: home=n1
vs2:
vs3: pinned home=n2
----
vs1 starts on n1
vs2 starts on n3
vs3 starts on n2

cold start n3 first
----
vs1 starts on n1
vs2 starts on n3
vs3 starts on n2

fail storage n1/san1
----
vs1 moves n1 -> n2
