"""Sums and products of matrices written out, and columns told from tuples."""

from collections.abc import Callable

from .latex.tree import Node

MAX_CELLS = 100


def folded(node: Node) -> Node:
    """`node` with sums, products and multiples of small matrices worked out."""
    if node.op not in ("add", "mul", "neg", "div") or not any(
        p.op == "matrix" for p in node.walk()
    ):
        return node
    parts = [folded(part) for part in node.args]
    if node.op == "neg" and parts[0].op == "matrix":
        return _cells(parts[0], lambda cell: Node("neg", (cell,)))
    if node.op == "div" and parts[0].op == "matrix":
        return _cells(parts[0], lambda cell: Node("div", (cell, parts[1])))
    result = parts[0]
    for part in parts[1:]:
        combined = _sum(result, part) if node.op == "add" else _product(result, part)
        if combined is None:
            return node
        result = combined
    return result


def entries(node: Node) -> tuple[Node, ...] | None:
    """The entries of a matrix of one column or one row; None for anything else."""
    if node.op != "matrix":
        return None
    if len(node.args) == 1:
        return node.args[0].args
    if all(len(row.args) == 1 for row in node.args):
        return tuple(row.args[0] for row in node.args)
    return None


def _cells(matrix: Node, change: Callable[[Node], Node]) -> Node:
    return matrix._replace(
        args=tuple(
            row._replace(args=tuple(change(cell) for cell in row.args)) for row in matrix.args
        )
    )


def _size(matrix: Node) -> tuple[int, int]:
    return len(matrix.args), len(matrix.args[0].args)


def _sum(left: Node, right: Node) -> Node | None:
    if left.op != "matrix" or right.op != "matrix" or _size(left) != _size(right):
        return None
    rows = []
    for one, other in zip(left.args, right.args, strict=True):
        pairs = zip(one.args, other.args, strict=True)
        rows.append(Node("row", tuple(Node("add", pair) for pair in pairs)))
    return left._replace(args=tuple(rows))


def _product(left: Node, right: Node) -> Node | None:
    if left.op == "matrix" and right.op == "matrix":
        inner = len(right.args)
        if _size(left)[1] != inner or _size(left)[0] * _size(right)[1] > MAX_CELLS:
            return None
        columns = list(zip(*(row.args for row in right.args), strict=True))
        return left._replace(
            args=tuple(
                Node("row", tuple(_dot(row.args, column) for column in columns))
                for row in left.args
            )
        )
    if left.op == "matrix" or right.op == "matrix":
        matrix, factor = (left, right) if left.op == "matrix" else (right, left)
        return _cells(matrix, lambda cell: Node("mul", (factor, cell)))
    return Node("mul", (left, right))


def _dot(row: tuple[Node, ...], column: tuple[Node, ...]) -> Node:
    return Node("add", tuple(Node("mul", pair) for pair in zip(row, column, strict=True)))
