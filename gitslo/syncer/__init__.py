"""The process syncer: runs an environment's manifests as processes on loopback ports, in place of a cluster.

A program of its own (`gitslo syncer`) that outlives the daemon; the daemon asks it through
`gitslo.adapters.process_client`. Read in this order: `manifest` and `desired` (what should run), `child`, `instance`
and `runner` (making it so), `follow` (the branch), `control` and `folder` (being asked), `program` (all together).

Invariants:
* the repository chooses only among programs that the operator named; it adds no argument, no variable and no file that
  the operator did not list;
* what a manifest asks for and a process cannot honour is refused by name, never dropped;
* no child outlives this program.
"""
