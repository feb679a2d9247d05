"""One port for API, S3, AWS and the issuer; the API as API Gateway serves it; tokens as Cognito mints them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import boto3
import httpx
import jwt
import pytest

from infra.local.environment import ACCESS_KEY
from infra.local.issuer import CLIENT_ID
from infra.local.server import LocalServer, PortInUse
from infra.local.stack import LocalStack
from tests.local.toys import BUCKET, dynamodb, running, s3


def test_the_same_address_serves_the_api_and_every_aws_service(stack: LocalStack) -> None:
    api = httpx.get(f"{stack.base_url}/echo/hello").json()["word"]
    account = boto3.client("sts").get_caller_identity()["Account"]
    tables = dynamodb().list_tables()["TableNames"]
    buckets = [bucket["Name"] for bucket in s3().list_buckets()["Buckets"]]
    queues = [queue["jobQueueName"] for queue in boto3.client("batch").describe_job_queues()["jobQueues"]]
    assert (api, account, tables, buckets, queues) == (
        "hello",
        "123456789012",
        ["meta", "results"],
        [BUCKET],
        ["cpu", "gpu"],
    )


def test_an_unsigned_request_to_the_bucket_is_s3s_to_refuse(stack: LocalStack) -> None:
    response = httpx.get(f"{stack.base_url}/{BUCKET}/tenants/a/secret")
    assert (response.status_code, "<Code>AccessDenied</Code>" in response.text) == (403, True)


def test_a_bearer_token_goes_to_the_api_not_to_aws(stack: LocalStack) -> None:
    headers = {"Authorization": f"Bearer {stack.token('a')}"}
    assert httpx.get(f"{stack.base_url}/echo/x", headers=headers).status_code == 200


def test_the_bucket_is_versioned_and_aborts_abandoned_uploads(stack: LocalStack) -> None:
    client = s3()
    [rule] = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    versioning = client.get_bucket_versioning(Bucket=BUCKET)["Status"]
    assert (versioning, rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]) == ("Enabled", 1)


def test_the_meta_table_has_the_indexes_stream_and_ttl_of_the_wiring(stack: LocalStack) -> None:
    client = dynamodb()
    table = client.describe_table(TableName="meta")["Table"]
    indexes = {
        index["IndexName"]: (
            *(key["AttributeName"] for key in index["KeySchema"]),
            index["Projection"]["ProjectionType"],
        )
        for index in table["GlobalSecondaryIndexes"]
    }
    assert indexes == {"due": ("due_shard", "due_at", "KEYS_ONLY"), "lists": ("list_pk", "list_sk", "KEYS_ONLY")}
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert client.describe_time_to_live(TableName="meta")["TimeToLiveDescription"]["AttributeName"] == "expires_at"


def test_concurrent_requests_never_see_each_others_data(stack: LocalStack) -> None:
    with httpx.Client(base_url=stack.base_url) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: client.get(f"/echo/w{n}", params={"n": n}).json(), range(200)))
    assert [(answer["word"], answer["query"]["n"]) for answer in answers] == [(f"w{n}", str(n)) for n in range(200)]


def test_path_parameters_are_decoded_and_queries_kept(stack: LocalStack) -> None:
    answer = httpx.get(f"{stack.base_url}/echo/a%20b%2Fc?q=x%26y&empty=").json()
    assert (answer["word"], answer["query"]) == ("a b/c", {"q": "x&y", "empty": ""})


def test_a_json_body_reaches_the_view(stack: LocalStack) -> None:
    assert httpx.post(f"{stack.base_url}/things", json={"é": [1]}).json() == {"é": [1]}


def test_a_chunked_body_reaches_the_view(stack: LocalStack) -> None:
    headers = {"Content-Type": "application/json"}
    response = httpx.post(f"{stack.base_url}/things", content=iter([b'{"a":', b" 1}"]), headers=headers)
    assert response.json() == {"a": 1}


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/things"), ("GET", "/echo/a/b")])
def test_an_unknown_route_is_a_problem_with_a_hint(stack: LocalStack, method: str, path: str) -> None:
    response = httpx.request(method, f"{stack.base_url}{path}")
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert response.json()["code"] == "NOT_FOUND"


def test_a_request_larger_than_api_gateway_takes_is_413(stack: LocalStack) -> None:
    assert httpx.post(f"{stack.base_url}/things", content=b"x" * (10 * 2**20 + 1)).status_code == 413


def test_a_connection_is_kept_after_a_refused_body(stack: LocalStack) -> None:
    """What the refusal did not read must not be taken for the next request."""
    connection = HTTPConnection(stack.base_url.removeprefix("http://"))
    connection.request("POST", "/things", body=b"x" * (10 * 2**20 + 1))
    refused = connection.getresponse()
    refused.read()
    connection.auto_open = 0
    connection.request("GET", "/echo/after")
    served = json.loads(connection.getresponse().read())
    connection.close()
    assert (refused.status, served["word"]) == (413, "after")


def test_a_token_verifies_against_the_published_key_and_names_its_tenant(stack: LocalStack) -> None:
    token = stack.token("b")
    key = jwt.PyJWKClient(stack.environment["REELSCAN_JWKS_URL"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, ["RS256"], issuer=stack.environment["REELSCAN_TOKEN_ISSUER"])
    assert (claims["custom:tenant"], claims["token_use"], claims["client_id"]) == ("b", "access", CLIENT_ID)
    assert claims["exp"] - claims["iat"] >= 12 * 3600


def test_the_description_for_scripts_has_every_name_of_the_contract(stack: LocalStack) -> None:
    described = json.loads(json.dumps(stack.describe()))
    assert described.keys() == {"base_url", "token", "tokens", "aws_endpoint_url", "graphql_url", "viewer_url"}
    assert (described["tokens"].keys(), described["aws_endpoint_url"]) == ({"a", "b"}, stack.base_url)


def test_a_used_port_is_named() -> None:
    server = LocalServer(0)
    port = int(server.base_url.rpartition(":")[2])
    with pytest.raises(PortInUse, match=str(port)):
        LocalServer(port)
    server.stop()


def test_a_second_stack_in_one_process_is_refused(stack: LocalStack) -> None:
    with pytest.raises(RuntimeError, match="Only one LocalStack"), running():
        pass


def test_workers_and_handlers_find_no_credentials_but_the_stacks(stack: LocalStack) -> None:
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    assert credentials.access_key == ACCESS_KEY
