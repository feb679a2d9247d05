"""Load: every route at a stated rate against a running system, and a report. Not part of the product's runtime."""
