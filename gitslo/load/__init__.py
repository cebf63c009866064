"""The load engine: a schedule, workers in their own processes, and honest histograms. Called by the wiring.

Its rooms, from those that call to those that are called; import-linter holds them to this order:

| room | what it holds |
|---|---|
| `engines` | who carries out a job: our own engine with its workers, or a foreign program that we count |
| `worker` | the process that sends: releases arrivals at their moments, chooses the protocol, reports |
| `grpc` | calls, from their messages in JSON to their status |
| `http1`, `http2` | one protocol each: how requests go and how answers are read |
| `connections` | addresses, sockets, TLS, and the pool of what is open; knows no protocol |
| `results` | all workers' words as one result: the health gate, the timeline, files for other tools |
| `record` | what became of every request, in one worker: counts by second, histograms |
| `requests` | what is asked and what a good answer holds, whatever protocol carries it |

Three modules belong to no room, because engines and workers both speak in their terms: `messages` (all that they say to
each other), `schedule` (when arrivals are due) and `cgroup` (what the kernel grants).

A reader of the hot path goes `worker.shard`, `connections.pool`, `http1.connection`, `record.recorder`.
"""
