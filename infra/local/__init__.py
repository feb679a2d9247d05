"""The same system on a laptop: AWS semantics on one port, with no account, no Docker and no npm.

`stack.LocalStack` starts and stops everything; `python -m infra.local` is its command line. Production code sees boto3,
`AWS_ENDPOINT_URL` and the settings in its environment, and nothing of this package.
"""
