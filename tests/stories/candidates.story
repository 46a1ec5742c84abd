# Of six nodes Pacemaker keeps three in view for each server. Any two may be lost; after the third the server waits, though
# there are others, until an operator moves it: a move adds its node. So does a drain for a node that it takes away.
cluster
nodes: n1 n2 n3 n4 n5 n6
policy: candidates=3
vs1: home=n1
vs2: home=n5
----
vs1 starts on n1
vs2 starts on n5

fail node n1
----
n1 is fenced
vs1 moves n1 -> n2

fail node n3
----
n3 is fenced

fail node n4
----
n4 is fenced

fail node n2
----
n2 is fenced
vs1 waits

move vs1 n6
----
vs1 starts on n6

return node n1
----
nothing moves

failback vs1
----
nothing moves

return node n2
----
nothing moves

drain n6
----
vs1 moves n6 -> n1

drain n5
----
vs2 moves n5 -> n2
