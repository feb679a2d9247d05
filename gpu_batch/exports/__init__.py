"""Exports of a job's results: one module per format, each a pure function from facts and frames to bytes.

Memory is bounded in all of them: what a format wants grouped or last goes through a temporary file. docs/exports.md
has the table of formats, who reads them, and where each states what.
"""
