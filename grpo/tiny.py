"""A small Llama from scratch with a character tokenizer: the default that needs no download."""

import re
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from ..core.config import Config

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"
CHARACTERS = "0123456789+-*/=()., abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ?:;'\"\n"
BOXED = "\\boxed{"


class TinyModelConfig(Config):
    """Sizes of the model that is built from scratch."""

    hidden_size: int = Field(128, ge=8)
    """Width of the residual stream."""
    layers: int = Field(4, ge=1)
    """Number of transformer blocks."""
    heads: int = Field(4, ge=1)
    """Attention heads; must divide hidden_size."""
    feedforward_size: int = Field(512, ge=8)
    """Width of the feed-forward part."""
    context: int = Field(128, ge=16)
    """Longest sequence, prompt and completion together, in tokens."""
    characters: str = CHARACTERS
    """Characters that are tokens; others become the unknown token."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "TinyModelConfig":
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be a multiple of twice heads "
                f"({2 * self.heads}), since each head turns its values in pairs"
            )
        return self


def build_tokenizer(config: TinyModelConfig) -> "PreTrainedTokenizerFast":
    r"""One token for each character, and one each for `\boxed{` and `}`; begins with `<bos>`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [PAD, BOS, EOS, UNKNOWN, BOXED, "}", *dict.fromkeys(config.characters)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    pattern = Regex(f"{re.escape(BOXED)}|[\\s\\S]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern, behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, vocabulary[BOS])]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="left",
        model_max_length=config.context,
        clean_up_tokenization_spaces=False,
    )


def build_model(
    config: TinyModelConfig, tokenizer: "PreTrainedTokenizerFast", seed: int
) -> "LlamaForCausalLM":
    """A Llama of the given sizes with weights drawn from `seed`, in float32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden_size,
        intermediate_size=config.feedforward_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=config.context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: LlamaForCausalLM = LlamaForCausalLM(shape)  # type: ignore[no-untyped-call]
    return model
