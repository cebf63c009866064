"""What a plan will say before it is used: its operating characteristics, by simulation. Pure.

Called by `gitslo simulate`, `gitslo check` and `bench/verdict`. numpy is imported only when something is simulated.

| module | question |
|---|---|
| `lanes` | when what is counted and looked at |
| `truth` | what is assumed of the service |
| `draws` | counts and gauges at random, as a truth has them |
| `outcomes` | how runs end |
| `chart` | the picture, for a terminal and as SVG |
"""
