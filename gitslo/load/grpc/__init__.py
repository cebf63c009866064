"""gRPC over HTTP/2. Chosen and called by `worker.dial`; `prepared` is called by the engine, before there are workers.

`prepared` makes messages of JSON, with types that `protobuf` reads; `calls` is where a worker's calls come from.
`connection` is the fast path: constant calls, judged by their `status`. `full` makes calls that differ or stream, and
reads answers.
"""
