"""Text to expression: cleaning, tokenizer, Pratt parser, a small immutable tree."""

from .clean import normal_form, prepare, unwrap
from .parser import parse
from .tree import LimitReached, Node, ParseFailure

__all__ = ["LimitReached", "Node", "ParseFailure", "normal_form", "parse", "prepare", "unwrap"]
