"""HTTP/1.1. Chosen and called by `worker.dial`; the pool sends on what it gives.

`connection` is the fast path: constant requests, judged by their status. `full` makes requests (`request`) that differ,
and reads answers: checks, gzip, redirects, `cookies`. `terms` is what all connections of a section share.
"""
