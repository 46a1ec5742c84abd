# The cluster file changes under running servers: nothing else restarts, and nothing moves.
# Worlds: scheduler, full lab.
cluster
nodes: n1 n2 n3
vs1: priority=10 home=n1 filesystems=root,data nfs=root,data
vs2: home=n2 smb=root
----
vs1 starts on n1
vs2 starts on n2
starts in order: vs1, then vs2

change
vs1: priority=10 home=n1 filesystems=root,data nfs=root,data smb=data
----
vs1-shr-data starts
vs1-smb starts

change
vs1: priority=10 home=n1 filesystems=root,data nfs=root,data
----
vs1-shr-data stops
vs1-smb stops

change
vs1: priority=10 home=n1 filesystems=root,data nfs=root,data subnets=lan-a,lan-b
----
vs1-vip-lan-b starts on n1
vs1-net reloads

change
vs1: priority=10 home=n1 filesystems=root,data nfs=root,data addresses=192.0.2.11/24,192.0.2.99/24
----
vs1-vip-lan-b stops
vs1-net reloads
vs1-vip-lan-a reloads

change
vs1: priority=10 home=n1 filesystems=root,data,more nfs=root,data,more
----
vs1-exp-more starts
vs1-fs-more starts
vs1-net reloads
vs1-vip-lan-a reloads

change
vs1: priority=10 home=n1 filesystems=root,more nfs=root,more
----
vs1-exp-data stops
vs1-fs-data stops

change
vs3:
vs4: priority=20
vs5:
----
vs3 starts on n3
vs4 starts on n1
vs5 starts on n2
starts in order: vs4, then vs3 vs5

change
vs2: none
----
vs2 stops

change
vs1: priority=99 home=n1 filesystems=root,more nfs=root,more
----
nothing moves

change
vs1: priority=99 home=n1 filesystems=root,more nfs=root,more
----
nothing moves
