"""Connections of one worker, whatever protocol is spoken on them. Called by `worker`, and by the protocols' rooms.

`addresses` says where they may go, `sockets` and `secured` open them (with what `tls` makes of a target's settings),
and the `pool` has all that are open and the arrivals that wait for one. Engines, and the wiring, ask `addresses` and
`tls` beforehand for what is refused.
"""
