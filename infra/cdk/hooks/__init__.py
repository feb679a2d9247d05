"""Functions of the deployment itself; each file goes to Lambda as it is."""
