"""Containers: what a file is, and where its samples lie and when they are shown.

`probe.probe_video` opens what is untrusted and gives the facts and the sample table: of MP4 by its boxes (`boxes`,
`track`, `timeline`, `fragments`), of containers without an index by one pass over the file (`scan`).
`whole.decode_whole` is for videos without a table.
"""
