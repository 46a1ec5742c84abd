# A listed node without a port on a subnet takes a server when all else is lost; a peer announces for it.
cluster
nodes: n1 n2 n3
without: n3/lan-b
vs1: home=n1 subnets=lan-a,lan-b nodes=n1,n3
vs2: home=n1 subnets=lan-b nodes=n1,n3 on_subnet_loss=move
----
vs1 starts on n1
vs2 starts on n1

fail node n1
----
n1 is fenced
vs1 moves n1 -> n3
vs2 waits
vs1-vip-lan-b moves n1 -> n2

return node n1
----
vs1 moves n3 -> n1
vs2 starts on n1
