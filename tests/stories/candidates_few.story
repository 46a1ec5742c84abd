# Three candidates are asked for, but the storage of vs1 is on one node alone, and that of vs2 on two. When that is cut off
# from a subnet, any other node with a port there announces their addresses, and routes.
cluster
nodes: n1 n2 n3 n4 n5
policy: candidates=3
san1: nodes=n1
san2: nodes=n1,n2
vs1: storage=san1 subnets=lan-a
vs2: storage=san2 subnets=lan-a
----
vs1 starts on n1
vs2 starts on n2

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n5

fail subnet n2/lan-a
----
vs2-vip-lan-a moves n2 -> n3

fail subnet n3/lan-a
----
vs2-vip-lan-a moves n3 -> n4
