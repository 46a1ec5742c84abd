# R15: after evening out, a dead node's servers are shared by load, not by number, and nobody decides anything then:
# the one large server goes to one survivor, the two small ones to the other. The pinned one waits.
cluster
nodes: n1 n2 n3
vs1:
vs2:
vs3:
vs4:
vs5:
vs6:
vs7:
vs8: pinned home=n1
----
vs1 starts on n2
vs2 starts on n3
vs3 starts on n1
vs4 starts on n2
vs5 starts on n3
vs6 starts on n1
vs7 starts on n2
vs8 starts on n1

rebalance
vs1: 3
vs4: 1.5
vs7: 1.5
vs2: 2.5
vs5: 2.5
vs3: 2.5
vs6: 2.5
----
nothing moves

fail node n2
----
n2 is fenced
vs1 moves n2 -> n3
vs4 moves n2 -> n1
vs7 moves n2 -> n1

fail node n1
----
n1 is fenced
vs3 moves n1 -> n3
vs4 moves n1 -> n3
vs6 moves n1 -> n3
vs7 moves n1 -> n3
vs8 waits
