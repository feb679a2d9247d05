"""Reads what clients of AWS are made of when it is imported: a worker that is forked later makes its own in a moment.

botocore parses megabytes of JSON for the first client of a process, which was most of a worker's CPU beside its work.
Neither a client nor a connection is made, and nothing of the environment is read: a worker has another one.
"""

from __future__ import annotations

import boto3

SERVICES = ("dynamodb", "s3")
"""What workers speak to."""


def read_descriptions() -> None:
    """Have the default session remember them."""
    boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION
    assert session is not None
    loader = session._session.get_component("data_loader")
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(name)
    for service in SERVICES:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)


read_descriptions()
