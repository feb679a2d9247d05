"""What `infra.local.moto_patches` relies on inside moto. A failure here after an upgrade says which hook to look at."""

from __future__ import annotations

import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import moto
import pytest
from moto.core.responses import ActionResult
from moto.dynamodb import models as dynamodb_models
from moto.dynamodb import responses as dynamodb_responses
from moto.dynamodb.models.table import StreamShard, Table
from moto.s3.models import FakeKey
from moto.s3.utils import _VersionedKeyStore

from infra.local import moto_patches
from infra.local.stack import LocalStack
from tests.local.toys import BUCKET, TABLE, dynamodb, key, s3


def test_moto_is_the_version_that_the_hooks_were_written_for() -> None:
    assert moto.__version__ == moto_patches.SUPPORTED_MOTO


def test_another_moto_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto, "__version__", "5.3.0")
    with pytest.raises(RuntimeError, match=re.escape("moto==5.2.5")):
        moto_patches.install()


def test_a_query_still_starts_from_all_items() -> None:
    source = inspect.getsource(moto_patches._original_query)
    assert source.count("self.all_items()") == 2


def test_a_query_still_takes_its_keys_by_these_names() -> None:
    names = {"hash_key", "index_name", "hash_key_conditions"}
    assert names <= moto_patches._query_signature.parameters.keys()


def test_a_transaction_still_copies_tables_through_the_name_that_is_replaced() -> None:
    source = inspect.getsource(moto_patches._original_transact_write)
    assert len(re.findall(r"original_table_state\[table_name\] = copy\.deepcopy\(", source)) == 1


def test_moto_itself_still_copies_whole_tables() -> None:
    """If not, the undo log can go."""
    used = re.findall(r"copy\.deepcopy\(([^)]*)", inspect.getsource(dynamodb_models))
    assert [argument.strip() for argument in used] == ["item", "self.tables[table_name]"]


def test_results_are_still_converted_when_they_are_made() -> None:
    assert "dynamo_to_dict" in inspect.getsource(moto_patches._original_result_init)
    assert issubclass(dynamodb_responses.DynamoResult, ActionResult)


def test_stream_records_are_still_numbered_by_their_place() -> None:
    source = inspect.getsource(StreamShard.add)
    assert "len(self.items) + self.starting_sequence_number" in source


def test_objects_still_keep_their_bytes_in_a_file_under_a_lock() -> None:
    made = FakeKey("name", b"bytes", account_id="123456789012", region_name="us-east-1")
    made._value_buffer.seek(1)
    assert (made._value_buffer.read(3), made.lock.acquire(blocking=False)) == (b"yte", True)


def test_keys_still_pickle_with_their_newest_version_only() -> None:
    """If not, `reduce_for_pickle` can go."""
    store = _VersionedKeyStore()
    store["key"], store["key"] = "old", "new"
    again = pickle.loads(pickle.dumps(store))
    assert (store.getlist("key"), again.getlist("key")) == (["old", "new"], ["new"])


def test_only_one_module_reaches_into_moto() -> None:
    folder = Path(inspect.getfile(moto_patches)).parent
    users = {
        file.name
        for file in folder.glob("*.py")
        if re.search(r"^\s*(from|import) moto\b", file.read_text(), re.MULTILINE)
    }
    assert users == {"moto_gate.py", "moto_patches.py"}


def test_dropping_delivered_records_keeps_the_numbers_of_the_others(stack: LocalStack) -> None:
    stack.pumps[0].stop(5)
    for number in range(3):
        dynamodb().put_item(TableName=TABLE, Item=key("numbered", str(number)))
    before = moto_patches.read_stream(TABLE, 10).records
    moto_patches.drop_stream_records(TABLE, 2)
    dynamodb().put_item(TableName=TABLE, Item=key("numbered", "3"))
    after = moto_patches.read_stream(TABLE, 10).records
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in (*before, after[-1])]
    assert after[0] == before[2]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_a_failed_transaction_leaves_the_same_table_in_place(stack: LocalStack) -> None:
    client, before = dynamodb(), moto_patches._table(TABLE)
    check: Any = {"TableName": TABLE, "Key": key("no"), "ConditionExpression": "attribute_exists(pk)"}
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[{"ConditionCheck": check}])
    assert moto_patches._table(TABLE) is before


def test_a_query_leaves_the_table_as_it_was(stack: LocalStack) -> None:
    dynamodb().query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "numbered"}}
    )
    table: Table = moto_patches._table(TABLE)
    assert "all_items" not in vars(table)


def test_a_range_reads_what_a_whole_read_would_slice(stack: LocalStack) -> None:
    s3().put_object(Bucket=BUCKET, Key="sliced", Body=bytes(range(256)))
    assert moto_patches.read_object_range(BUCKET, "sliced", None, 10, 5) == bytes(range(10, 15))
