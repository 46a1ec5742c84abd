# R12 (what the scheduler makes of it): a damaged filesystem stops, with what serves it, and is repaired.
# NFS clients of its server wait until it is repaired, or needs a person. Nothing else stops, and nothing moves.
cluster
nodes: n1 n2 n3
vs1: home=n1 filesystems=root,data,more nfs=root,data smb=root,data,more
vs2: home=n2
----
vs1 starts on n1
vs2 starts on n2

damage vs1/data
----
vs1-exp-data stops
vs1-fs-data stops
vs1-repair-data starts
vs1-shr-data stops

fail node n1
----
n1 is fenced
vs1 moves n1 -> n3

return node n1
----
nothing moves

repair vs1/data
----
vs1-exp-data starts
vs1-fs-data starts
vs1-repair-data stops
vs1-shr-data starts

damage vs1/data
----
vs1-exp-data stops
vs1-fs-data stops
vs1-repair-data starts
vs1-shr-data stops

abandon vs1/data
----
vs1-repair-data stops

move vs1 n2
----
vs1 moves n3 -> n2

cold start
----
vs1 starts on n2
vs2 starts on n2

damage vs1/data
----
vs1-repair-data starts

repair vs1/data
----
vs1-exp-data starts
vs1-fs-data starts
vs1-repair-data stops
vs1-shr-data starts

damage vs1/more
----
vs1-fs-more stops
vs1-repair-more starts
vs1-shr-more stops

repair vs1/more
----
vs1-fs-more starts
vs1-repair-more stops
vs1-shr-more starts

damage vs2/root
----
vs2-exp-root stops
vs2-fs-root stops
vs2-gate stops
vs2-nfs stops
vs2-repair-root starts

damage vs1/data
----
vs1-exp-data stops
vs1-fs-data stops
vs1-repair-data starts
vs1-shr-data stops

cold start
----
vs1 starts on n2
vs2 starts on n2

fail storage n1/san1
----
nothing moves

repair vs2/root
----
vs2-exp-root starts
vs2-fs-root starts
vs2-gate starts
vs2-nfs starts
vs2-repair-root stops

repair vs1/data
----
vs1-exp-data starts
vs1-fs-data starts
vs1-repair-data stops
vs1-shr-data starts
