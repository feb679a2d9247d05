"""The rules of reelscan: standard library only, no I/O, no clock."""
