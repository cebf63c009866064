"""HTTP/2 (RFC 9113). Chosen and called by `worker.dial`; the pool sends on what it gives; `grpc` stands on it.

`session` is the client's side of one connection, sans-IO, on `control` (what is not paid per answer), `headers` and
`frames`. `connection` is the fast path: constant requests, judged by their status. `full` makes requests that differ,
and reads answers.
"""
