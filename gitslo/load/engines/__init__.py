"""Who carries out a load: implementations of `ports.LoadEngine`. Built by the wiring, called by the run.

`own` is gitslo's engine: it starts `workers` as a `crew` of processes (`process`). `fortio` and `k6` are programs
found on this machine, named by the entry points `gitslo.engines`: they send, and we count. They are dialects of
`foreign`, which keeps an `account` of what a `program` tells, under a `guard`. All of them hold jobs against the same
`bounds`, stop by the same `abort`, and know where there is no operator (`access`).
"""
