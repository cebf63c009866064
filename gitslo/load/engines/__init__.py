"""Other load engines, as programs found on this machine: they send, and we count. Named by `gitslo.engines`."""
