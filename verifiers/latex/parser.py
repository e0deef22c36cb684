r"""A Pratt parser for LaTeX and plain mathematics, linear in the text and limited in depth.

Binding powers grow from lists and relations over set operations, ratios, sums and products to
powers. What the grammar does not know raises `ParseFailure`; it is never skipped, so nothing is
ever left over to pass for an answer.
"""

from . import atoms, groups, names, postfix
from .tokens import Token, tokenize
from .tree import LimitReached, Node, ParseFailure
from .units import ARCMINUTE, ARCSECOND, DEGREE

MAX_DEPTH = 60

RELATION, SETS, RATIO, SUM, PRODUCT, POWER = 20, 30, 40, 50, 60, 80

STOP: Token = ("stop", "", False)


class Parser:
    """One pass over the tokens; the methods that read atoms stand in the sibling modules."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.bars = 0  # absolute values open here: a further | closes the innermost
        self.in_builder = 0  # set braces open here: | and : may end the variable's part

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self.tokens[self.place]

    def peek(self, ahead: int = 1) -> Token:
        """A token further on; the last one stands for all after it."""
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else STOP

    def at(self, kind: str, text: str) -> bool:
        """Whether the next token is this one."""
        token = self.tokens[self.place]
        return token[0] == kind and token[1] == text

    def take(self) -> Token:
        """Read one token."""
        token = self.tokens[self.place]
        if token[0] != "stop":
            self.place += 1
        return token

    def accept(self, kind: str, text: str) -> bool:
        """Read the token if it is this one."""
        if self.at(kind, text):
            self.place += 1
            return True
        return False

    def expect(self, kind: str, text: str) -> None:
        """Read this token.

        Raises:
            ParseFailure: another one stands there.
        """
        if not self.accept(kind, text):
            found = self.token[1] or "the end"
            raise ParseFailure(f"expected {text!r}, found {found!r}", broken=text in "{}")

    # -- lists --------------------------------------------------------------------------------

    def list(self) -> Node:
        """Items separated by commas, semicolons, `and` and `or`; one item stands for itself."""
        items = [self.expression(RELATION - 1)]
        said = ""
        while (separator := self._separator()) is not None:
            if separator == names.OR or (separator == names.AND and not said):
                said = separator
            if self.ends_list():
                break
            items.append(self.expression(RELATION - 1))
        return items[0] if len(items) == 1 else Node("list", tuple(items), said)

    def ends_list(self) -> bool:
        """Whether nothing more can follow: a closing bracket, a cell's end or the text's."""
        kind, text, _ = self.token
        return kind in ("stop", "end") or (kind == "op" and text in ")]}&") or (
            kind == "cmd" and text in ("}", "\\", "rangle", "rceil", "rfloor")
        )  # fmt: skip

    def _separator(self) -> str | None:
        found: str | None = None
        while True:
            kind, text, _ = self.token
            if (kind == "op" and text in ",;") or (kind == "cmd" and text in ("wedge", "land")):
                found = found or ","
            elif kind == "text" and not text.strip(" ,;"):
                found = found or ("," if text.strip() else found)
            elif kind in ("text", "run") and (word := text.strip(" ,;").lower()) in ("and", "or"):
                found = word
            elif kind == "cmd" and text in ("vee", "lor"):
                found = names.OR
            else:
                return found
            self.place += 1

    # -- expressions --------------------------------------------------------------------------

    def expression(self, power: int) -> Node:
        """What binds tighter than `power`."""
        self._deeper()
        left = atoms.prefix(self)
        layers = 0
        while True:
            grown = self._grow(left, power)
            if grown is None:
                break
            if grown.op not in ("add", "mul") and grown is not left:
                layers += 1
                if layers > MAX_DEPTH:
                    raise LimitReached(f"nested more than {MAX_DEPTH} deep")
            left = grown
        self.depth -= 1
        return left

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LimitReached(f"nested more than {MAX_DEPTH} deep")

    def _grow(self, left: Node, power: int) -> Node | None:
        kind, text, _ = self.token
        if kind in ("stop", "end"):
            return None
        if kind in ("op", "cmd"):
            if (after := postfix.operator(self, left, power)) is not None:
                return after
            if text in names.RELATIONS and (kind == "cmd" or not text.isalpha()):
                return self._relation(left) if power < RELATION else None
            if kind == "cmd" and text in names.SET_OPERATIONS:
                return self._sets(left, names.SET_OPERATIONS[text]) if power < SETS else None
            if text in _SUMS:
                return self._sum(left, _SUMS[text]) if power < SUM else None
            if text in _PRODUCTS:
                return self._product(left, _PRODUCTS[text]) if power < PRODUCT else None
            if (kind == "op" and text == ":") or (kind == "cmd" and text == "colon"):
                if self.in_builder and power < RATIO:
                    return None
                return self._ratio(left) if power < RATIO else None
        if kind in ("text", "run", "style"):
            done, after = postfix.words(self, left, power)
            if done:
                return after
        if power < PRODUCT and groups.starts_operand(self):
            return self._beside(left)
        return None

    def _relation(self, left: Node) -> Node:
        members, operators = [left], []
        while True:
            kind, text, _ = self.token
            if kind not in ("op", "cmd") or text not in names.RELATIONS:
                break
            self.take()
            operators.append(names.RELATIONS[text])
            if self.ends_list():
                raise ParseFailure(f"nothing stands after {text!r}")
            members.append(self.expression(RELATION))
        relation = Node("rel", tuple(members), " ".join(operators))
        if self.token[0] == "cmd" and self.token[1] in ("pmod", "bmod", "mod"):
            self.take()
            relation = Node("mod", (relation, self.argument()))
        return relation

    def _sets(self, left: Node, op: str) -> Node:
        self.take()
        return _flat(op, left, self.expression(SETS))

    def _ratio(self, left: Node) -> Node:
        parts = [left]
        while self.accept("op", ":") or self.accept("cmd", "colon"):
            parts.append(self.expression(RATIO))
        return Node("ratio", tuple(parts))

    def _sum(self, left: Node, op: str) -> Node:
        self.take()
        right = self.expression(SUM)
        if op in ("+-", "-+"):
            return Node("pm", (left, right), op)
        if op == "-":
            right = Node("neg", (right,))
        return _flat("add", left, right)

    def _product(self, left: Node, op: str) -> Node:
        self.take()
        if op == "/" and (unit := postfix.unit_after_slash(self, left)) is not None:
            return unit
        right = self.expression(PRODUCT)
        if op == "mod":
            return Node("mod", (left, right))
        if op == "/":
            return Node("div", (left, right))
        return _flat("mul", left, right)

    def _beside(self, left: Node) -> Node:
        if self.token[0] == "num" and left.op in ("num", "mul") and _ends_in_number(left):
            raise ParseFailure("two numbers side by side")
        right = self.expression(PRODUCT)
        if _unit_of(left) == DEGREE and _unit_of(right) in (ARCMINUTE, ARCSECOND):
            return Node("add", (left, right))
        return _flat("mul", left, right)

    def script(self) -> Node:
        r"""An index or exponent: as an argument, but a number whole, for all mean 10 by `_10`."""
        kind, text, _ = self.token
        if kind == "num":
            self.take()
            return atoms.plain_number(text)
        return self.argument()

    def argument(self) -> Node:
        r"""A command's argument: a braced group, or one symbol (one digit, as in \frac12)."""
        kind, text, _ = self.token
        if kind == "op" and text == "{":
            return groups.braced(self)
        if kind == "num" and len(text) > 1:
            self.tokens[self.place] = ("num", text[1:], False)
            return atoms.plain_number(text[0])
        if kind == "run" and len(text) > 1:
            self.tokens[self.place] = ("run", text[1:], False)
            return atoms.letter(self, text[0])
        if kind == "stop" or (kind == "op" and text in "}&)],;=+-*/^_"):
            raise ParseFailure("a command without its argument", broken=True)
        self._deeper()
        node = atoms.prefix(self)
        self.depth -= 1
        return node


_SUMS = {"+": "+", "-": "-", "pm": "+-", "mp": "-+"}
_PRODUCTS = {
    "*": "*", "/": "/", "cdot": "*", "times": "*", "div": "/", "ast": "*", "bullet": "*",
    "bmod": "mod", "mod": "mod",
}  # fmt: skip


def _flat(op: str, left: Node, right: Node) -> Node:
    if left.op == op and not left.text:
        return Node(op, (*left.args, right))
    return Node(op, (left, right))


def _unit_of(node: Node) -> str:
    """The unit that an amount ends in; of a sum such as 5° 10', that of its first term."""
    while node.op in ("mul", "add", "neg"):
        node = node.args[-1 if node.op == "mul" else 0]
    return node.text if node.op == "unit" else ""


def _ends_in_number(node: Node) -> bool:
    while node.op == "mul":
        node = node.args[-1]
    return node.op == "num"


def parse(prepared: str, *, thousands: bool = True) -> Node:
    """The tree of a text that `prepare` made ready.

    Raises:
        ParseFailure: the text is not an expression of the grammar.
        LimitReached: it is too long or too deep.
    """
    parser = Parser(tokenize(prepared, thousands=thousands))
    if parser.token[0] == "stop":
        raise ParseFailure("empty", broken=True)
    node = postfix.qualified(parser, parser.list())
    if parser.token[0] != "stop":
        left = parser.token[1]
        raise ParseFailure(f"{left!r} has no place here", broken=left in "{}")
    return node
