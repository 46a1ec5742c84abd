# Bridge, then move: a lost subnet is routed first. Its node asks a server to leave when the bridge is over or nobody routes.
# It asks that until the subnet is back: then, with failback: auto, the server goes home.
# Only n2 can route: which of two equal peers does is Pacemaker's affair.
# Worlds: scheduler, lab.
cluster
nodes: n1 n2 n3
without: n3/lan-a
vs1: home=n1 bridge=25
vs2: home=n1 pinned
policy: failback=auto
----
vs1 starts on n1
vs2 starts on n1

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n2
vs2-vip-lan-a moves n1 -> n2

evict vs1
----
vs1 moves n1 -> n2

heal subnet n1/lan-a
----
vs1 moves n2 -> n1
vs2-vip-lan-a moves n2 -> n1
