"""YAML nodes as the data that an editor validates."""

import re
from typing import Any

from lab.yaml.text import ListNode, MapNode, Node


def data_of(node: Node) -> Any:
    """A node as JSON data, by YAML 1.2's core schema: what an editor validates."""
    if isinstance(node, ListNode):
        return [data_of(item) for item in node.items]
    if isinstance(node, MapNode):
        return {key.text: data_of(value) for key, value in node.items}
    if not node.plain:
        return node.text
    if node.missing:
        return None
    if node.text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return node.text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", node.text):
        return int(node.text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", node.text):
        return float(node.text)
    return node.text
