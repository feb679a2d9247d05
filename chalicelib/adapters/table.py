"""One DynamoDB table in plain values: the calls that our stores make, with AWS's errors translated."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.clients import aws_errors, error_code
from chalicelib.contracts.attribute_values import Item, item_from_wire, item_to_wire
from chalicelib.domain.errors import DependencyFailed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ITEMS_PER_BATCH_WRITE = 25
ITEMS_PER_BATCH_READ = 100
BATCH_ROUNDS = 8
CONFLICT_PAUSES = (0.05, 0.1, 0.2)


class ConditionFailed(Exception):
    """A conditional write was refused; `item` is what is stored, when AWS said so."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write does not hold")
        self.item = item


class Table:
    """A table by name."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self.client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Item | None:
        """The item, read consistently."""
        with aws_errors("reading an item"):
            answer = self.client.get_item(
                TableName=self.name, Key=item_to_wire({"pk": pk, "sk": sk}), ConsistentRead=True
            )
        return item_from_wire(answer["Item"]) if "Item" in answer else None

    def put(
        self,
        item: Item,
        condition: str = "",
        values: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Write the item whole.

        Raises:
            ConditionFailed: with the stored item.
        """
        request: dict[str, Any] = {"TableName": self.name, "Item": item_to_wire(item)}
        if condition:
            request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if values:
            request["ExpressionAttributeValues"] = item_to_wire(values)
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        self._conditional(self.client.put_item, request)

    def update(self, request: dict[str, Any]) -> None:
        """A request of `contracts.claims`.

        Raises:
            ConditionFailed: with the stored item, when the request asks for it.
        """
        self._conditional(self.client.update_item, request)

    def transact(self, entries: Sequence[dict[str, Any]], pauses: Sequence[float] = CONFLICT_PAUSES) -> None:
        """All of them or none; tried again after each of `pauses` (seconds) while others are at the same items.

        Raises:
            ConditionFailed: a condition of one of them does not hold.
        """
        from botocore.exceptions import ClientError

        wire: Any = list(entries)
        with aws_errors("a transaction"):
            try:
                self._send(wire, pauses)
            except ClientError as error:
                if error_code(error) != "TransactionCanceledException":
                    raise
                reasons: Any = error.response.get("CancellationReasons", [])
                failed = [reason for reason in reasons if reason.get("Code") == "ConditionalCheckFailed"]
                if not failed:
                    raise
                stored = next((reason["Item"] for reason in failed if reason.get("Item")), None)
                raise ConditionFailed(item_from_wire(stored) if stored else None) from error

    def put_entry(self, item: Item, condition: str = "", values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A put, as an entry of a transaction."""
        put: dict[str, Any] = {"TableName": self.name, "Item": item_to_wire(item)}
        if condition:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = item_to_wire(values)
        return {"Put": put}

    def delete_entry(self, key: Item) -> dict[str, Any]:
        """A delete, as an entry of a transaction."""
        return {"Delete": {"TableName": self.name, "Key": item_to_wire(key)}}

    def delete(self, pk: str, sk: str, condition: str = "", values: Mapping[str, Any] | None = None) -> None:
        """Remove the item, if it is there.

        Raises:
            ConditionFailed: without the stored item.
        """
        request: dict[str, Any] = {"TableName": self.name, "Key": item_to_wire({"pk": pk, "sk": sk})}
        if condition:
            request |= {"ConditionExpression": condition, "ExpressionAttributeValues": item_to_wire(values or {})}
        self._conditional(self.client.delete_item, request)

    def query(
        self,
        pk: str,
        prefix: str = "",
        *,
        after: str | None = None,
        from_: str | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> Iterator[Item]:
        """Items of a partition whose sort key starts with `prefix`, in order.

        Those after a key, or from a key on, when given.
        """
        condition, values = "pk = :pk", {":pk": pk}
        if prefix and after is None and from_ is None:
            condition += " AND begins_with(sk, :low)"
            values[":low"] = prefix
        elif backwards and after is not None:
            condition += " AND sk BETWEEN :low AND :high"
            values |= {":low": prefix, ":high": after}
        elif after is not None or from_ is not None:
            condition += " AND sk BETWEEN :low AND :high"
            values |= {":low": str(after if after is not None else from_), ":high": prefix + HIGHEST}
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": item_to_wire(values),
            "ConsistentRead": True,
            "ScanIndexForward": not backwards,
        }
        # BETWEEN includes its ends, and we do not want `after` itself.
        skip = {after} if after is not None else set()
        for item in self._pages(request, None if limit is None else limit + len(skip)):
            if item["sk"] in skip:
                continue
            if limit is not None:
                if limit == 0:
                    return
                limit -= 1
            yield item

    def query_index(
        self, index: str, condition: str, values: Item, *, limit: int, backwards: bool = False
    ) -> Iterator[Item]:
        """Keys of a global index (eventually consistent)."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": item_to_wire(values),
            "ScanIndexForward": not backwards,
        }
        return self._pages(request, limit)

    def count(self, pk: str, prefix: str, *, at_most: int | None = None) -> int:
        """How many items of the partition have a sort key with this prefix; stops counting at `at_most`."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :low)",
            "ExpressionAttributeValues": item_to_wire({":pk": pk, ":low": prefix}),
            "ConsistentRead": True,
            "Select": "COUNT",
        }
        if at_most is not None:
            request["Limit"] = at_most
        total = 0
        while True:
            with aws_errors("counting items"):
                answer = self.client.query(**request)
            total += answer["Count"]
            if "LastEvaluatedKey" not in answer or (at_most is not None and total >= at_most):
                return total
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def get_many(self, keys: Sequence[tuple[str, str]], *, is_consistent: bool = False) -> list[Item]:
        """The items that exist, in no order; a read that is not consistent costs half."""
        found: list[Item] = []
        for start in range(0, len(keys), ITEMS_PER_BATCH_READ):
            chunk = keys[start : start + ITEMS_PER_BATCH_READ]
            pending: Any = {
                self.name: {
                    "Keys": [item_to_wire({"pk": pk, "sk": sk}) for pk, sk in chunk],
                    "ConsistentRead": is_consistent,
                }
            }
            for _ in range(BATCH_ROUNDS):
                with aws_errors("reading items"):
                    answer = self.client.batch_get_item(RequestItems=pending)
                found += [item_from_wire(item) for item in answer["Responses"].get(self.name, [])]
                pending = answer.get("UnprocessedKeys")
                if not pending:
                    break
            else:
                raise DependencyFailed(
                    f"reading {len(chunk)} items of {self.name} did not end in {BATCH_ROUNDS} rounds"
                )
        return found

    def write_many(self, puts: Sequence[Item] = (), deletes: Sequence[tuple[str, str]] = ()) -> None:
        """Unconditional puts and deletes of different items."""
        requests: list[Any] = [{"PutRequest": {"Item": item_to_wire(item)}} for item in puts]
        requests += [{"DeleteRequest": {"Key": item_to_wire({"pk": pk, "sk": sk})}} for pk, sk in deletes]
        for start in range(0, len(requests), ITEMS_PER_BATCH_WRITE):
            pending: Any = {self.name: requests[start : start + ITEMS_PER_BATCH_WRITE]}
            for _ in range(BATCH_ROUNDS):
                with aws_errors("writing items"):
                    answer = self.client.batch_write_item(RequestItems=pending)
                pending = answer.get("UnprocessedItems")
                if not pending:
                    break
            else:
                raise DependencyFailed(f"writing items of {self.name} did not end in {BATCH_ROUNDS} rounds")

    def _send(self, entries: Any, pauses: Sequence[float]) -> None:
        """A transaction, sent again while another one is at the same items, which botocore does not do by itself."""
        from botocore.exceptions import ClientError

        for pause_seconds in pauses:
            try:
                self.client.transact_write_items(TransactItems=entries)
            except ClientError as error:
                reasons: Any = error.response.get("CancellationReasons", [])
                if {reason.get("Code") for reason in reasons} - {"None", None} != {"TransactionConflict"}:
                    raise
                # Of several that collided, not all come back at the same moment.
                time.sleep(pause_seconds * random.uniform(0.5, 1.5))
            else:
                return
        self.client.transact_write_items(TransactItems=entries)

    def _pages(self, request: dict[str, Any], limit: int | None) -> Iterator[Item]:
        while True:
            if limit is not None:
                request["Limit"] = limit
            with aws_errors("a query"):
                answer = self.client.query(**request)
            for item in answer["Items"]:
                yield item_from_wire(item)
            if limit is not None:
                limit -= len(answer["Items"])
            if "LastEvaluatedKey" not in answer or limit == 0:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _conditional(self, call: Any, request: dict[str, Any]) -> None:
        from botocore.exceptions import ClientError

        with aws_errors("writing an item"):
            try:
                call(**request)
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                stored: Any = error.response.get("Item")
                raise ConditionFailed(item_from_wire(stored) if stored else None) from error


HIGHEST = "\uffff"
"""Sorts after every sort key of ours."""
