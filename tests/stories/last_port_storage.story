# A node without a good port keeps what finds its storage nowhere else; peers cannot route to it then.
cluster
nodes: n1 n2 n3
vs1: home=n1 storage=san1
vs2: home=n1 storage=san2
----
vs1 starts on n1
vs2 starts on n1

fail storage n2/san1
----
nothing moves

fail storage n3/san1
----
nothing moves

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
vs2-vip-lan-a moves n1 -> n2

fail subnet n1/lan-b
----
vs2 moves n1 -> n3
