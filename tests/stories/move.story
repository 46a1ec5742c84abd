# An operator's move outweighs ports and subnets, not storage; it is taken back by failback.
cluster
nodes: n1 n2 n3
vs1: home=n1
policy: failback=auto
----
vs1 starts on n1

move vs1 n2
----
vs1 moves n1 -> n2

fail subnet n2/lan-a
----
vs1-vip-lan-a moves n2 -> n3

fail storage n2/san1
----
vs1 moves n2 -> n1

heal storage n2/san1
----
vs1 moves n1 -> n2
vs1-vip-lan-a moves n1 -> n3

fail node n2
----
n2 is fenced
vs1 moves n2 -> n1

return node n2
----
vs1 moves n1 -> n2

failback vs1
----
vs1 moves n2 -> n1
