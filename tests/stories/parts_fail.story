# One part of a server fails: what depends on it restarts in place, nothing else.
# Worlds: scheduler, lab.
cluster
nodes: n1 n2 n3
vs1: home=n1 filesystems=root,data nfs=root,data smb=root,data
vs2: home=n1
----
vs1 starts on n1
vs2 starts on n1

fail resource vs1-nfs
----
vs1-exp-data restarts
vs1-exp-root restarts
vs1-gate restarts
vs1-nfs restarts

fail resource vs1-smb
----
vs1-shr-data restarts
vs1-shr-root restarts
vs1-smb restarts

fail resource vs1-fs-data
----
vs1-exp-data restarts
vs1-fs-data restarts
vs1-shr-data restarts

fail resource vs1-vip-lan-a
----
vs1-vip-lan-a restarts

fail resource vs1-gate
----
vs1-gate restarts
