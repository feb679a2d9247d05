"""How deep a query is and how many objects it may bring, before anything of it runs.

The formula stands in `chalicelib/api/graphql/limits.py`. Fields of introspection weigh nothing: AppSync answers them
without a resolver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLSchema, get_named_type, is_leaf_type
from graphql.language import ast

from infra.wiring import GraphQlApi

ITEMS = "items"


@dataclass(frozen=True, slots=True)
class Weight:
    """What a query asks for at most."""

    depth: int = 0
    cost: int = 0


def weigh(
    schema: GraphQLSchema, document: ast.DocumentNode, variables: Mapping[str, Any], limits: GraphQlApi
) -> Weight:
    """The weight of a valid document: of its heaviest operation, when it has several."""
    scale = _Scale(schema, document, variables, limits)
    weights = [
        scale.weigh_selection(operation.selection_set, schema.get_root_type(operation.operation))
        for operation in document.definitions
        if isinstance(operation, ast.OperationDefinitionNode)
    ]
    return Weight(max(weight.depth for weight in weights), max(weight.cost for weight in weights))


class _Scale:
    def __init__(
        self, schema: GraphQLSchema, document: ast.DocumentNode, variables: Mapping[str, Any], limits: GraphQlApi
    ) -> None:
        self._schema = schema
        self._variables = variables
        self._limits = limits
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, ast.FragmentDefinitionNode)
        }
        # Each fragment once: fragments that spread others twice would take for ever.
        self._weight_by_fragment: dict[tuple[str, int], Weight] = {}

    def weigh_selection(self, selection: ast.SelectionSetNode, parent: Any, times: int = 1) -> Weight:
        """The sum of what is selected; `times` is how many objects the field `items` has here."""
        depth = cost = 0
        for node in selection.selections:
            weight = self._weigh_node(node, parent, times)
            depth, cost = max(depth, weight.depth), cost + weight.cost
        return Weight(depth, cost)

    def _weigh_node(self, node: ast.SelectionNode, parent: Any, times: int) -> Weight:
        if isinstance(node, ast.FieldNode):
            return self._weigh_field(node, parent, times)
        if isinstance(node, ast.FragmentSpreadNode):
            name = node.name.value
            if (name, times) not in self._weight_by_fragment:
                fragment = self._fragments[name]
                kind = self._schema.type_map[fragment.type_condition.name.value]
                self._weight_by_fragment[name, times] = self.weigh_selection(fragment.selection_set, kind, times)
            return self._weight_by_fragment[name, times]
        assert isinstance(node, ast.InlineFragmentNode)
        condition = node.type_condition
        kind = self._schema.type_map[condition.name.value] if condition else parent
        return self.weigh_selection(node.selection_set, kind, times)

    def _weigh_field(self, node: ast.FieldNode, parent: Any, times: int) -> Weight:
        name = node.name.value
        if name.startswith("__"):
            return Weight()
        kind = get_named_type(parent.fields[name].type)
        if is_leaf_type(kind) or node.selection_set is None:
            return Weight(depth=1)
        below = self.weigh_selection(node.selection_set, kind, self._page_size(node, parent.name))
        objects = times if name == ITEMS else 1
        return Weight(1 + below.depth, objects * (1 + below.cost))

    def _page_size(self, node: ast.FieldNode, parent: str) -> int:
        limits = self._limits.page_limits_by_field.get((parent, node.name.value))
        if limits is None:
            return 1
        for argument in node.arguments or ():
            if argument.name.value == "limit":
                asked = self._value(argument.value)
                return asked if isinstance(asked, int) and asked > 0 else limits.usual
        return limits.usual

    def _value(self, node: ast.ValueNode) -> Any:
        if isinstance(node, ast.VariableNode):
            return self._variables.get(node.name.value)
        return int(node.value) if isinstance(node, ast.IntValueNode) else None
