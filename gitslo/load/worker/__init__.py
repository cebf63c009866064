"""The process that sends: `python -m gitslo.load.worker`. Started by `engines.crew`, useful to nobody else.

`__main__` is the process and its fences, `shard` its run: it releases arrivals by the microsecond `timer`. `dial`
chooses the protocol that the section needs; the engine asks it, too, what could not be sent.

The package imports nothing, so that the first request leaves soon after the command.
"""
