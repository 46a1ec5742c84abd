# R7: a lost subnet moves only announcers, a pinned server's too. They return by themselves; nothing restarts.
cluster
nodes: n1 n2 n3
vs1: home=n1 subnets=lan-a,lan-b filesystems=root,data nfs=data smb=root
vs2: home=n1 pinned
vs3: home=n2
----
vs1 starts on n1
vs2 starts on n1
vs3 starts on n2

fail subnet n1/lan-a
----
vs1-vip-lan-a moves n1 -> n3
vs2-vip-lan-a moves n1 -> n2

fail node n2
----
n2 is fenced
vs3 moves n2 -> n3
vs2-vip-lan-a moves n2 -> n3

return node n2
----
vs2-vip-lan-a moves n3 -> n2

fail subnet n3/lan-a
----
vs1-vip-lan-a moves n3 -> n2
vs3-vip-lan-a moves n3 -> n2

fail subnet n2/lan-a
----
vs1-vip-lan-a stops
vs2-vip-lan-a stops
vs3-vip-lan-a stops

heal subnet n1/lan-a
----
vs1-vip-lan-a starts on n1
vs2-vip-lan-a starts on n1
vs3-vip-lan-a starts on n1

fail subnet n1/lan-a
----
vs1-vip-lan-a stops
vs2-vip-lan-a stops
vs3-vip-lan-a stops

heal subnet n2/lan-a
----
vs1-vip-lan-a starts on n2
vs2-vip-lan-a starts on n2
vs3-vip-lan-a starts on n2

move vs1 n3
----
vs1 moves n1 -> n3

fail node n3
----
n3 is fenced
vs1 moves n3 -> n2
vs3 moves n3 -> n2
