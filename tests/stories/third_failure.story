# One part fails again and again: the third failure moves the whole server, unless it is pinned.
cluster
nodes: n1 n2 n3
vs1: home=n1 filesystems=root,data nfs=root,data smb=data
vs2: pinned home=n2
----
vs1 starts on n1
vs2 starts on n2

fail resource vs1-smb
----
vs1-shr-data restarts
vs1-smb restarts

fail resource vs1-smb
----
vs1-shr-data restarts
vs1-smb restarts

fail resource vs1-smb
----
vs1 moves n1 -> n3

fail resource vs2-nfs
----
vs2-exp-root restarts
vs2-gate restarts
vs2-nfs restarts

fail resource vs2-nfs
----
vs2-exp-root restarts
vs2-gate restarts
vs2-nfs restarts

fail resource vs2-nfs
----
vs2-exp-root stops
vs2-gate stops
vs2-nfs stops
