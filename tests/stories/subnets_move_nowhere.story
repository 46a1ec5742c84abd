# With on_subnet_loss: move a server stays where no node that may run it has the subnet, and another one routes to it.
cluster
nodes: n1 n2 n3
vs1: home=n1 nodes=n1,n2 on_subnet_loss=move
----
vs1 starts on n1

fail subnet n1/lan-a
----
vs1 moves n1 -> n2

fail subnet n2/lan-a
----
vs1-vip-lan-a moves n2 -> n3

heal subnet n1/lan-a
----
vs1 moves n2 -> n1
