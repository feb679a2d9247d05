"""Decoding by sample table: any run of cells bit for bit as a single pass would, from the bytes of its samples alone.

`decode.decode_cells` is the way in. Nothing here opens a container.
"""
