# Failback auto: a server goes home as soon as its home is good again.
cluster
nodes: n1 n2
vs1: home=n1
vs2: home=n2 on_subnet_loss=move
policy: failback=auto
----
vs1 starts on n1
vs2 starts on n2

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2

return node n1
----
vs1 moves n2 -> n1

fail subnet n2/lan-a
----
vs2 moves n2 -> n1

heal subnet n2/lan-a
----
vs2 moves n1 -> n2
