"""Reading video: probe the container once, then decode any run of cells bit for bit as a single pass would.

`probe_video` opens what is untrusted and gives the facts and the sample table; `decode_cells` needs only samples and
their bytes; `decode_whole` is for containers without a table.
"""
