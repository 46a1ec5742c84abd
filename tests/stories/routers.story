# R9: with routers on lan-b a server whose node loses lan-a stays, and so does its announcer: by host route. It needs
# a peer only when neither is left; of peers, one that is on the subnet comes first.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
routers: lan-b
vs1: home=n1
vs2: home=n1 on_subnet_loss=move
----
vs1 starts on n1
vs2 starts on n1

fail subnet n1/lan-a
----
nothing moves

fail subnet n2/lan-a
----
nothing moves

fail subnet n1/lan-b
----
vs1 moves n1 -> n2
vs2 moves n1 -> n3

fail subnet n3/lan-a
----
nothing moves

fail subnet n3/lan-b
----
vs2 moves n3 -> n2

fail subnet n2/lan-b
----
vs1-vip-lan-a stops
vs2-vip-lan-a stops

heal subnet n2/lan-b
----
vs1-vip-lan-a starts on n2
vs2-vip-lan-a starts on n2

heal subnet n1/lan-a
----
nothing moves

fail node n1
----
n1 is fenced
