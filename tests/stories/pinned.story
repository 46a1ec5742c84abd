# R6: a pinned server stays put for every cause, and comes back with its node. An operator can move it.
cluster
nodes: n1 n2 n3
vs1: home=n1
vs2: pinned home=n1
----
vs1 starts on n1
vs2 starts on n1

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2
vs2 waits

return node n1
----
vs2 starts on n1

fail storage n1/san1
----
nothing moves

heal storage n1/san1
----
nothing moves

fail subnet n1/lan-a
----
vs2-vip-lan-a moves n1 -> n3

heal subnet n1/lan-a
----
vs2-vip-lan-a moves n3 -> n1

drain n1
----
nothing moves

undrain n1
----
nothing moves

evict vs2
----
nothing moves

move vs2 n2
----
vs2 moves n1 -> n2

fail node n2
----
n2 is fenced
vs1 moves n2 -> n1
vs2 waits

return node n2
----
vs2 starts on n2

failback vs2
----
vs2 moves n2 -> n1
