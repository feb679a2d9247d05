"""The query language: what can be asked of a job's detections (`ast`), how it is written, and how it is answered.

Pure: an answer is a fold over rows in the order of results. Reading the rows, page by page, is `services/query.py`.
"""
