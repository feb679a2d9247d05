"""Every hook into moto's insides, for moto 5.2.5: what moto does slowly or not atomically and AWS does not.

    LOCK                       moto's operations are not atomic under threads; whoever enters moto holds this
    Table.query                sorts every item of the table on every call: give it only the items that can match
    transact_write_items       copies whole tables, and on failure puts the copies back: keep the few old items instead
    DynamoResult               walks botocore's shape for every attribute: write DynamoDB's JSON directly
    requests of DynamoDB       go through Flask, and through what forms and queries need: ask the handler itself
    names of the operations    looked for in the whole class at every request: look once
    numbers of the answers     drawn letter by letter: draw once
    update expressions         ask of every node for classes anew, ten times: remember what is one of which
    stream records             read, and dropped once they are delivered, so that a snapshot holds only what is owed
    object bytes               a range of an object without reading the whole
    capture, restore, reduce   the whole state, with every version of every object

`tests/local/test_moto_patches.py` fails when an upgrade changes what these rely on.
"""

from __future__ import annotations

import base64
import copy
import inspect
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import moto
from moto.core import responses as core_responses
from moto.core.responses import ActionContext, ActionResult
from moto.dynamodb import models as dynamodb_models
from moto.dynamodb import responses as dynamodb_responses
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import ast_nodes
from moto.s3.models import s3_backends
from moto.s3.utils import _VersionedKeyStore

from infra.local.events import ACCOUNT_ID, REGION

SUPPORTED_MOTO = "5.2.5"
JSON = "application/x-amz-json-1.0"
LOCK = threading.RLock()

ITEM_OPERATIONS = frozenset(
    (
        *("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"),
        *("BatchGetItem", "BatchWriteItem", "TransactGetItems", "TransactWriteItems"),
    )
)

_original_query = Table.query
_query_signature = inspect.signature(_original_query)
_original_transact_write = DynamoDBBackend.transact_write_items
_original_result_init = dynamodb_responses.DynamoResult.__init__
_original_execute = ActionResult.execute_result
# These two modules of moto are not typed for others.
_core_responses: Any = core_responses
_ast_nodes: Any = ast_nodes
_SEARCHED = (_ast_nodes.Expression, _ast_nodes.UpdateExpressionFunction)
_original_method_names = _core_responses.method_names_from_class


def install() -> None:
    """Put the hooks in place; a second call changes nothing.

    Raises:
        RuntimeError: another moto is installed than the one these hooks were written for.
    """
    if moto.__version__ != SUPPORTED_MOTO:
        raise RuntimeError(
            f"The local stack needs moto=={SUPPORTED_MOTO} but {moto.__version__} is installed; run `make setup`"
        )
    Table.query = _query_candidates_only  # type: ignore[method-assign]
    DynamoDBBackend.transact_write_items = _transact_write_with_undo  # type: ignore[method-assign]
    dynamodb_models.copy = _CopyExceptTables()  # type: ignore[attr-defined, assignment]
    dynamodb_responses.DynamoResult.__init__ = _keep_result  # type: ignore[method-assign]
    dynamodb_responses.DynamoResult.execute_result = _execute_directly  # type: ignore[assignment, method-assign]
    _core_responses.method_names_from_class = cache(_original_method_names)
    _core_responses.gen_amzn_requestid_long = _number_request
    _ast_nodes.DepthFirstTraverser.traverse_node_recursively = _traverse
    _ast_nodes.Node.find_clauses = _find_clauses


def reset() -> None:
    """Forget every table and bucket: moto's state belongs to the process, not to a stack."""
    with LOCK:
        dynamodb_backends.reset()
        s3_backends.reset()


# --- DynamoDB: requests ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """What moto's parser of parameters takes from a request."""

    headers: Mapping[str, str]
    data: bytes
    method: str = "POST"
    path: str = "/"
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        return self.headers["Content-Type"]


def call_dynamodb(target: str, body: bytes, region: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of moto's answer to one request; `target` is the header X-Amz-Target.

    Raises:
        NotImplementedError: there is no such operation.
    """
    handler = dynamodb_responses.DynamoHandler()
    headers = {"x-amz-target": target, "Content-Type": JSON}
    handler.headers, handler.querystring, handler.uri_match = headers, {}, {}
    handler.response_headers = {}
    handler.region, handler.current_account = region, ACCOUNT_ID
    with LOCK:
        handler.parse_parameters(_Asked(headers, body))  # type: ignore[arg-type]
        status, answered, text = handler.call_action()
    return int(status), answered, text


def _number_request(headers: dict[str, str]) -> str:
    # moto draws 52 letters, one by one.
    headers["x-amzn-requestid"] = number = secrets.token_hex(26).upper()
    return number


def _traverse(self: Any, node: Any, child_id: int = -1) -> Any:
    """As moto has it, but for how it is found out what a node is."""
    if not _is_one_of(type(node), _ast_nodes.Node):
        return node
    parent = node.parent
    if node.children is not None:
        for number, child in enumerate(node.children):
            self.pre_processing_of_child(node, number)
            _traverse(self, child, number)
    wanted = vars(self).get("_wanted_classes")
    if wanted is None:
        wanted = self._wanted_classes = self.nodes_to_be_processed()
    if _is_one_of(type(node), wanted):
        node = self.process(node)
        node.parent = parent
        if parent:
            parent.children[child_id] = node
    return node


def _find_clauses(self: Any, wanted: Sequence[type]) -> list[Any]:
    """As moto has it, too."""
    found: list[Any] = []
    for child in self.children or []:
        if type(child) in wanted:
            found.append(child)
        elif _is_one_of(type(child), _SEARCHED):
            found += child.find_clauses(wanted)
    return found


# The classes of these trees are abstract ones, which Python compares slowly.
_is_one_of: Callable[[type, Any], bool] = cache(issubclass)


# --- DynamoDB: queries -----------------------------------------------------------------------------------


def _query_candidates_only(self: Table, *args: Any, **kwargs: Any) -> Any:
    arguments = _query_signature.bind(self, *args, **kwargs).arguments
    if arguments.get("index_name") is None:
        candidates = _rows(self, self.items.get(arguments["hash_key"]))
    else:
        wanted = dict(arguments.get("hash_key_conditions") or ())
        everything = (item for partition in self.items.values() for item in _rows(self, partition))
        candidates = [item for item in everything if _has(item, wanted)]
    with LOCK:
        self.all_items = lambda: candidates  # type: ignore[method-assign]
        try:
            return _original_query(self, *args, **kwargs)
        finally:
            del self.all_items


def _has(item: Item, wanted: Mapping[str, DynamoType]) -> bool:
    return all(name in item.attrs and item.attrs[name] == value for name, value in wanted.items())


def _rows(table: Table, partition: Any) -> list[Item]:
    if partition is None:
        return []
    return list(partition.values()) if table.range_key_attr else [partition]


# --- DynamoDB: transactions ------------------------------------------------------------------------------


class _CopyExceptTables:
    """Stands in for the module `copy` inside moto's DynamoDB models."""

    copy = staticmethod(copy.copy)

    @staticmethod
    def deepcopy(value: Any) -> Any:
        """A deep copy, but a table itself: transactions are undone item by item."""
        return value if isinstance(value, Table) else copy.deepcopy(value)


@dataclass(frozen=True, slots=True)
class _OldItem:
    table: Table
    hash_key: DynamoType
    range_key: DynamoType | None
    item: Item | None

    def put_back(self) -> None:
        rows: Any = self.table.items[self.hash_key] if self.range_key else self.table.items
        key = self.range_key or self.hash_key
        if self.item is None:
            rows.pop(key, None)
        else:
            rows[key] = self.item
        if self.range_key and not rows:
            del self.table.items[self.hash_key]


def _transact_write_with_undo(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    with LOCK:
        old_items = list(_items_before(self, transact_items))
        shards = {id(old.table): old.table.stream_shard for old in old_items if old.table.stream_shard}
        records_before = {key: len(shard.items) for key, shard in shards.items()}
        try:
            _original_transact_write(self, transact_items)
        except Exception:
            for old in reversed(old_items):
                old.put_back()
            for key, shard in shards.items():
                del shard.items[records_before[key] :]
            raise


def _items_before(backend: DynamoDBBackend, transact_items: Sequence[dict[str, Any]]) -> Iterator[_OldItem]:
    for transact_item in transact_items:
        for operation in transact_item.values():
            table = backend.tables.get(operation.get("TableName"))
            key = operation.get("Key") or operation.get("Item") or {}
            # What lacks a table or a key is refused before it writes.
            if table is None or not set(table.table_key_attrs) <= key.keys():
                continue
            hash_key, range_key = backend.get_keys_value(table, key)
            rows: Any = table.items.get(hash_key) if range_key else table.items
            item = rows.get(range_key or hash_key) if rows else None
            yield _OldItem(table, hash_key, range_key, copy.deepcopy(item))


# --- DynamoDB: answers -----------------------------------------------------------------------------------


def _keep_result(self: dynamodb_responses.DynamoResult, result: object) -> None:
    ActionResult.__init__(self, result)


def _execute_directly(self: dynamodb_responses.DynamoResult, context: ActionContext) -> Any:
    if context.operation_model.name in ITEM_OPERATIONS:
        headers = {"Content-Type": JSON}
        return 200, headers, json.dumps(self.result, default=_to_json, separators=(",", ":"))
    converted = dynamodb_responses.DynamoResult.__new__(dynamodb_responses.DynamoResult)
    _original_result_init(converted, self.result)
    return _original_execute(converted, context)


def _to_json(value: Any) -> Any:
    match value:
        case DynamoType():
            return {value.type: value.value}
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return value.timestamp()
        case _ if hasattr(value, "to_json"):
            return value.to_json()
    raise TypeError(f"DynamoDB's JSON has no form for {type(value).__name__}")


# --- DynamoDB: streams -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """The oldest undelivered records of a table's stream."""

    arn: str
    records: list[dict[str, Any]]


def read_stream(table_name: str, limit: int, skip: int = 0) -> StreamBatch:
    """Up to `limit` records after the `skip` oldest, as Lambda gets them, without the source ARN."""
    with LOCK:
        table = _table(table_name)
        shard = table.stream_shard
        assert shard is not None, f"Table {table_name} must have a stream"
        text = json.dumps([item.to_json() for item in shard.items[skip : skip + limit]], default=_to_json)
        arn = str(table.describe()["TableDescription"]["LatestStreamArn"])
    return StreamBatch(arn, json.loads(text))


def drop_stream_records(table_name: str, count: int) -> None:
    """Forget the `count` oldest records: they have been delivered, or given up."""
    with LOCK:
        shard = _table(table_name).stream_shard
        assert shard is not None, f"Table {table_name} must have a stream"
        del shard.items[:count]
        # moto numbers a record by its place in the list.
        shard.starting_sequence_number += count


def _table(table_name: str) -> Table:
    return dynamodb_backends[ACCOUNT_ID][REGION].get_table(table_name)


# --- S3 --------------------------------------------------------------------------------------------------


def read_object_range(bucket: str, key: str, version_id: str | None, first: int, count: int) -> bytes:
    """`count` bytes of an object from offset `first`."""
    with LOCK:
        found = s3_backends[ACCOUNT_ID]["aws"].get_object(bucket, key, version_id=version_id)
        assert found is not None, f"s3://{bucket}/{key} must exist"
        with found.lock:
            found._value_buffer.seek(first)
            return bytes(found._value_buffer.read(count))


# --- state -----------------------------------------------------------------------------------------------


def capture_backends() -> tuple[object, object]:
    """DynamoDB's and S3's whole state; pickle it before `LOCK` is let go."""
    return dynamodb_backends[ACCOUNT_ID][REGION], s3_backends[ACCOUNT_ID]["aws"]


def reduce_for_pickle(value: object) -> Any:
    """How to pickle what pickles wrongly by itself: a bucket's keys would come back with their newest version only."""
    if isinstance(value, _VersionedKeyStore):
        return _make_key_store, (dict(dict.items(value)),)
    return NotImplemented


def _make_key_store(versions_by_key: dict[str, list[Any]]) -> _VersionedKeyStore:
    store = _VersionedKeyStore()
    for key, versions in versions_by_key.items():
        store.setlist(key, versions)
    return store


def restore_backends(dynamodb: object, s3: object) -> None:
    """Put captured state in place of what is there."""
    with LOCK:
        dynamodb_backends[ACCOUNT_ID].update({REGION: dynamodb})  # type: ignore[dict-item]
        s3_backends[ACCOUNT_ID].update({"aws": s3})  # type: ignore[dict-item]
