# With on_subnet_loss: move the server goes where its subnet is, unless it is pinned.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
vs1: home=n1 on_subnet_loss=move
vs2: home=n1 on_subnet_loss=move subnets=lan-a,lan-b
vs3: home=n1 on_subnet_loss=move pinned
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n1

fail subnet n1/lan-a
----
vs1 moves n1 -> n2
vs2 moves n1 -> n3
vs3-vip-lan-a moves n1 -> n2

heal subnet n1/lan-a
----
vs3-vip-lan-a moves n2 -> n1

failback vs1
----
nothing moves

fail subnet n2/lan-a
----
vs1 moves n2 -> n1

fail subnet n3/lan-b
----
vs2 moves n3 -> n1
