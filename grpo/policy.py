"""The one model wrapper: tokens, log-probs, reference, LoRA, save and load."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..core.config import Config
from ..core.errors import ConfigError, MissingExtra, ModelError
from ..core.sampler import Prompt
from .batching import MicroBatch
from .tiny import TinyModelConfig, build_model, build_tokenizer

LOGITS_BYTES = 1 << 27
"""Logits held at once, in bytes: a longer list of tokens goes through the head in chunks."""


class LoraConfig(Config):
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685), by peft."""

    rank: int = Field(16, ge=1)
    """Rank of the adapters."""
    alpha: int = Field(32, ge=1)
    """Scale: the adapter's output is multiplied by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter; in supervised training only."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Names of the layers to adapt, or "all-linear" for every linear layer but the head."""


class PolicyConfig(Config):
    """Which model, and how it is held."""

    path: str | None = None
    """A folder with a transformers checkpoint, or a hub id."""
    build: TinyModelConfig | None = None
    """Build a small model from scratch instead of loading one."""
    dtype: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """Type of the weights; auto is float32 on a CPU and bfloat16 on a GPU."""
    device: str = "auto"
    """Such as cpu or cuda:0; auto takes the first GPU, if any."""
    lora: LoraConfig | None = None
    """Train adapters and leave the model's own weights as they are."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: slower, far less memory."""

    @model_validator(mode="after")
    def _one_source(self) -> "PolicyConfig":
        if (self.path is None) == (self.build is None):
            raise ValueError(
                "give either model.path (a folder or a hub id) or a [model.build] section"
            )
        return self


class TokenScores(NamedTuple):
    """What the model says of the scored tokens of a micro-batch; both [B, T], 0 elsewhere."""

    logprobs_BT: Tensor
    entropy_BT: Tensor


class Policy:
    """A causal language model with its tokenizer, as every training path uses it.

    Attributes:
        model: the transformers model, wrapped by peft where LoRA is on.
        tokenizer: its tokenizer.
        device: where the weights are.
        version: number of weight updates so far.
    """

    def __init__(self, model: Any, tokenizer: Any, config: PolicyConfig) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.device = torch.device(_device(config.device))
        self.version = 0
        self._reference: dict[str, Tensor] | None = None
        # A prompt is met again in each epoch, and once for every completion of its group.
        self._encoded = lru_cache(maxsize=1 << 16)(self._encode)
        model = model.to(self.device)
        if config.lora is not None:
            model = _with_lora(model, config.lora)
        if config.gradient_checkpointing:
            model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )
            model.enable_input_require_grads()
        self.model = model.eval()
        self._causal = model.get_base_model() if config.lora is not None else model
        self._head_only = self._head_is_plain()

    @classmethod
    def load(cls, config: PolicyConfig, *, seed: int = 0) -> "Policy":
        """The policy that `config` describes; `seed` draws weights that are new.

        Raises:
            ModelError: there is no such model, or it cannot be read.
        """
        torch.manual_seed(seed)
        if config.build is not None:
            tokenizer = build_tokenizer(config.build)
            model: Any = build_model(config.build, tokenizer, seed)
            return cls(model.to(_dtype(config)), tokenizer, config)
        return cls(*_pretrained(str(config.path), _dtype(config)), config)

    # --- tokens

    @property
    def eos_ids(self) -> frozenset[int]:
        """Every token that ends a completion, by the model's generation config and tokenizer."""
        declared = getattr(self.model.generation_config, "eos_token_id", None)
        several = declared if isinstance(declared, list) else [declared]
        return frozenset(i for i in [*several, self.tokenizer.eos_token_id] if i is not None)

    @property
    def context(self) -> int:
        """Longest sequence that the model takes, in tokens."""
        return int(getattr(self.model.config, "max_position_embeddings", 1 << 30))

    def encode_prompt(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a prompt; chat messages through the chat template, ready for an answer.

        Raises:
            ModelError: chat messages, but the tokenizer has no chat template.
        """
        return self._encoded(prompt)

    def _encode(self, prompt: Prompt) -> tuple[int, ...]:
        if isinstance(prompt, str):
            return tuple(self.tokenizer(prompt)["input_ids"])
        if not self.tokenizer.chat_template:
            raise ModelError(
                "the prompt is a chat, but this model's tokenizer has no chat template; "
                "set data.chat=false, or choose an instruct model"
            )
        messages = [message.to_json() for message in prompt]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_response(self, text: str) -> tuple[int, ...]:
        """Token ids of a demonstration, end-of-sequence included."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return (*ids, self.tokenizer.eos_token_id)

    def decode(self, ids: tuple[int, ...]) -> str:
        """Text of a completion without its end-of-sequence token; other special tokens stay."""
        shown = ids[:-1] if ids and ids[-1] in self.eos_ids else ids
        return str(self.tokenizer.decode(shown, skip_special_tokens=False))

    # --- log-probs

    def score(
        self, batch: MicroBatch, *, temperature: float = 1.0, entropy: bool = False
    ) -> TokenScores:
        """Log-probs of the scored tokens under softmax(logits / temperature), with gradient.

        Only positions that predict a scored token pass through the head, in chunks whose logits
        are recomputed in the backward pass where one chunk does not hold them all.

        Args:
            batch: padded sequences; the first token of a row is never scored.
            temperature: the sampling temperature, so that these are the sampler's log-probs.
            entropy: also compute each predicting distribution's entropy in nats, without gradient.
        """
        scored_BT = batch.scored_BT[:, 1:]
        hidden_NH = self._hidden(batch)[:, :-1][scored_BT]
        targets_N = batch.tokens_BT[:, 1:][scored_BT]
        chunk = max(1, LOGITS_BYTES // (4 * int(self._causal.config.vocab_size)))
        parts = []
        for begin in range(0, len(hidden_NH), chunk):
            some = slice(begin, begin + chunk)
            arguments = (hidden_NH[some], targets_N[some], temperature, entropy)
            if len(hidden_NH) > chunk and torch.is_grad_enabled():
                parts.append(checkpoint(self._head, *arguments, use_reentrant=False))
            else:
                parts.append(self._head(*arguments))
        logprobs_N = torch.cat([part[0] for part in parts])
        entropy_N = torch.cat([part[1] for part in parts])
        empty = torch.zeros(batch.tokens_BT.shape, dtype=logprobs_N.dtype, device=self.device)
        where = batch.scored_BT
        return TokenScores(
            empty.masked_scatter(where, logprobs_N), empty.masked_scatter(where, entropy_N)
        )

    def _hidden(self, batch: MicroBatch) -> Tensor:
        """[B, T, H] last hidden states, or [B, T, V] logits where the head is not a plain one."""
        positions_BT = (batch.attention_BT.long().cumsum(1) - 1).clamp(min=0)
        inputs = {
            "input_ids": batch.tokens_BT,
            "attention_mask": batch.attention_BT.long(),
            "position_ids": positions_BT,
            "use_cache": False,
        }
        if self._head_only:
            hidden: Tensor = self._causal.get_decoder()(**inputs).last_hidden_state
            return hidden
        logits: Tensor = self._causal(**inputs).logits
        return logits

    def _head(
        self, hidden_NH: Tensor, targets_N: Tensor, temperature: float, entropy: bool
    ) -> tuple[Tensor, Tensor]:
        head = self._causal.get_output_embeddings()
        logits_NV = head(hidden_NH) if self._head_only else hidden_NH
        wide = torch.float64 if logits_NV.dtype == torch.float64 else torch.float32
        logits_NV = logits_NV.to(wide) / temperature
        log_total_N = logits_NV.logsumexp(-1)
        logprobs_N = logits_NV.gather(-1, targets_N[:, None])[:, 0] - log_total_N
        if not entropy:
            return logprobs_N, torch.zeros_like(logprobs_N)
        with torch.no_grad():
            probabilities_NV = (logits_NV - log_total_N[:, None]).exp_()
            entropy_N = log_total_N - (probabilities_NV * logits_NV).sum(-1)
        return logprobs_N, entropy_N

    @torch.no_grad()
    def _head_is_plain(self) -> bool:
        """Whether head(decoder(x)) are the model's logits; some models scale or cap them."""
        ids = torch.arange(1, 9, device=self.device)[None] % int(self._causal.config.vocab_size)
        hidden = self._causal.get_decoder()(input_ids=ids, use_cache=False)
        states = getattr(hidden, "last_hidden_state", None)
        head = self._causal.get_output_embeddings()
        if states is None or head is None:
            return False
        return torch.allclose(head(states), self._causal(input_ids=ids, use_cache=False).logits)

    # --- training

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that training changes, by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}

    def load_trainable(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the trainable parameters.

        Raises:
            ModelError: the names are not those of this model.
        """
        mine = self.trainable()
        if mine.keys() != tensors.keys():
            odd = sorted(mine.keys() ^ tensors.keys())
            raise ModelError(
                f"the saved weights are of another model: {len(odd)} names differ, such as {odd[0]}"
            )
        with torch.no_grad():
            for name, parameter in mine.items():
                parameter.copy_(tensors[name])

    def training_mode(self, *, dropout: bool) -> None:
        """Ready the model for a forward pass with gradient.

        Without dropout a policy scores its own samples alike each time, which the ratio of
        policy-gradient losses needs; checkpointed layers look at their own `training` flag alone.
        """
        self.model.train(dropout)
        if self.config.gradient_checkpointing:
            from transformers.modeling_layers import GradientCheckpointingLayer

            for module in self.model.modules():
                if isinstance(module, GradientCheckpointingLayer):
                    module.training = True

    def eval_mode(self) -> None:
        """Ready the model for sampling and scoring."""
        self.model.eval()

    # --- reference

    def keep_reference(self, weights: Mapping[str, Tensor] | None = None) -> None:
        """Hold the current weights, or `weights`, as the reference policy."""
        kept = self.trainable() if weights is None else weights
        self._reference = {
            name: tensor.detach().clone().to(self.device) for name, tensor in kept.items()
        }

    @property
    def reference_weights(self) -> dict[str, Tensor] | None:
        """The reference's trainable parameters, if one is held."""
        return self._reference

    @contextmanager
    def as_reference(self) -> Iterator[None]:
        """Within, the model is the reference: weights change places, nothing is copied.

        With LoRA only the adapters change places, so the reference costs their few megabytes.
        """
        if self._reference is None:
            raise ModelError("no reference policy is held; call keep_reference first")
        mine = self.trainable()
        self._swap(mine, self._reference)
        try:
            yield
        finally:
            self._swap(mine, self._reference)

    @staticmethod
    def _swap(mine: Mapping[str, torch.nn.Parameter], other: dict[str, Tensor]) -> None:
        for name, parameter in mine.items():
            parameter.data, other[name] = other[name], parameter.data

    # --- files

    def save(self, folder: Path) -> None:
        """Write the model and tokenizer as `from_pretrained` reads them, LoRA merged in."""
        _no_bars_in_files()
        model = self.model
        if self.config.lora is not None:
            from copy import deepcopy

            model = deepcopy(self.model).merge_and_unload()
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _pretrained(path: str, dtype: torch.dtype) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if _looks_local(path) and not (Path(path) / "config.json").is_file():
        what = "has no config.json" if Path(path).exists() else "does not exist"
        raise ModelError(
            f"model.path is {path!r}, which {what}; give a folder written by save_pretrained, "
            "or a hub id such as owner/name"
        )
    _no_bars_in_files()
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    except (OSError, ValueError, KeyError, SafetensorError) as fault:
        first = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise ModelError(
            f"cannot load model {path!r}: {first} If this machine has no network, give a local "
            "folder: model.path=DIR"
        ) from fault
    if tokenizer.eos_token_id is None:
        raise ModelError(f"the tokenizer of {path!r} has no end-of-sequence token")
    return model, tokenizer


def _no_bars_in_files() -> None:
    """Progress bars are for terminals; in a log each of their states would be a line."""
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _looks_local(path: str) -> bool:
    return path.startswith((".", "/", "~")) or path.count("/") != 1 or Path(path).exists()


def _with_lora(model: Any, config: LoraConfig) -> Any:
    try:
        from peft import LoraConfig as PeftLora
        from peft import get_peft_model
    except ImportError:
        raise MissingExtra("model.lora needs truing[train]: pip install 'truing[train]'") from None
    modules = config.target_modules
    try:
        return get_peft_model(
            model,
            PeftLora(
                r=config.rank,
                lora_alpha=config.alpha,
                lora_dropout=config.dropout,
                target_modules=modules if isinstance(modules, str) else list(modules),
                task_type="CAUSAL_LM",
            ),
        )
    except ValueError as fault:
        raise ConfigError(f"model.lora.target_modules: {fault}") from None


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"model.device is {wanted!r}, but no CUDA device is at hand; use 'cpu'")
    try:
        torch.device(wanted)
    except RuntimeError:
        raise ConfigError(
            f"model.device is {wanted!r}, which torch does not know; use auto, cpu or cuda:0"
        ) from None
    return wanted


def _dtype(config: PolicyConfig) -> torch.dtype:
    if config.dtype == "auto":
        on_cpu = _device(config.device).startswith("cpu")
        return torch.float32 if on_cpu else torch.bfloat16
    chosen: torch.dtype = getattr(torch, config.dtype)
    return chosen
