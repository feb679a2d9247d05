"""The thirteen measures, in groups that share their runs."""
