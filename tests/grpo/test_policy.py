import math
from pathlib import Path

import pytest
import torch

from truing.core.errors import ModelError
from truing.core.records import Message
from truing.grpo import policy as policy_module
from truing.grpo.batching import TokenSequence, micro_batches, pad
from truing.grpo.policy import LoraConfig, Policy, PolicyConfig
from truing.grpo.tiny import TinyModelConfig

TINY = TinyModelConfig(hidden_size=32, layers=2, heads=2, feedforward_size=64, context=64)


def tiny(**settings: object) -> Policy:
    settings.setdefault("build", TINY)
    return Policy.load(PolicyConfig.model_validate(settings), seed=1)


def some_sequences(policy: Policy) -> list[TokenSequence]:
    pairs = [("1+2=", "\\boxed{3}"), ("10+25=", "35"), ("7=", "\\boxed{1234567}")]
    return [
        TokenSequence(policy.encode_prompt(prompt), policy.encode_response(response))
        for prompt, response in pairs
    ]


def plain_logprobs(policy: Policy, sequence: TokenSequence, temperature: float) -> list[float]:
    ids = torch.tensor([[*sequence.prompt_ids, *sequence.completion_ids]])
    logits = policy.model(input_ids=ids).logits[0].double() / temperature
    table = logits.log_softmax(-1)
    start = len(sequence.prompt_ids)
    return [table[t - 1, ids[0, t]].item() for t in range(start, ids.shape[1])]


def test_tokenizer_knows_characters_and_the_box() -> None:
    policy = tiny()
    ids = policy.encode_response("\\boxed{42}")
    assert len(ids) == 5  # the box, two digits, the brace, end of sequence
    assert policy.decode(ids) == "\\boxed{42}"
    assert policy.encode_prompt("1+1=")[0] == policy.tokenizer.bos_token_id


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("budget", [8, 40, 1000])
def test_logprobs_equal_the_plain_ones(temperature: float, budget: int) -> None:
    policy = tiny(dtype="float64")
    sequences = some_sequences(policy)
    found: dict[int, list[float]] = {}
    for batch in micro_batches(sequences, budget):
        scores = policy.score(batch, temperature=temperature).logprobs_BT
        for place, row in enumerate(batch.rows):
            found[row] = scores[place, batch.scored_BT[place]].tolist()
            assert (scores[place, ~batch.scored_BT[place]] == 0).all()
    for row, sequence in enumerate(sequences):
        assert found[row] == pytest.approx(plain_logprobs(policy, sequence, temperature), abs=1e-6)


def test_chunked_head_gives_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = []
    for limit in (1 << 27, 4 * 100 * 3):  # all at once; three tokens at a time
        monkeypatch.setattr(policy_module, "LOGITS_BYTES", limit)
        policy = tiny(dtype="float64")
        policy.score(pad(some_sequences(policy), (0, 1, 2))).logprobs_BT.sum().backward()
        gradients.append({name: p.grad.clone() for name, p in policy.trainable().items()})
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-12), name


def test_entropy_of_a_uniform_head() -> None:
    policy = tiny()
    with torch.no_grad():
        policy.model.get_output_embeddings().weight.zero_()
    scores = policy.score(pad(some_sequences(policy), (0, 1, 2)), entropy=True)
    batch = pad(some_sequences(policy), (0, 1, 2))
    expected = math.log(policy.model.config.vocab_size)
    assert torch.allclose(scores.entropy_BT[batch.scored_BT], torch.tensor(expected))


def test_models_with_scaled_logits_take_the_whole_forward_pass() -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    policy = tiny()
    shape = GraniteConfig(
        vocab_size=len(policy.tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        logits_scaling=4.0,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    scaled = Policy(GraniteForCausalLM(shape).double(), policy.tokenizer, PolicyConfig(build=TINY))
    sequence = some_sequences(policy)[0]
    batch = pad([sequence], (0,))
    found = scaled.score(batch).logprobs_BT[batch.scored_BT].tolist()
    assert found == pytest.approx(plain_logprobs(scaled, sequence, 1.0), abs=1e-6)


def test_reference_stays_while_the_policy_moves() -> None:
    for settings in ({}, {"lora": LoraConfig(rank=2)}):
        policy = tiny(dtype="float64", **settings)
        batch = pad(some_sequences(policy), (0, 1, 2))
        before = policy.score(batch).logprobs_BT.detach()
        policy.keep_reference()
        with torch.no_grad():
            for parameter in policy.trainable().values():
                parameter.add_(0.05)
        moved = policy.score(batch).logprobs_BT.detach()
        with policy.as_reference():
            reference = policy.score(batch).logprobs_BT.detach()
        assert torch.equal(reference, before)
        assert not torch.allclose(moved, before)
        assert torch.equal(policy.score(batch).logprobs_BT, moved)


def test_without_a_reference_it_says_so() -> None:
    with pytest.raises(ModelError, match="no reference"), tiny().as_reference():
        pass


def test_lora_trains_adapters_only_and_begins_as_the_model_itself() -> None:
    plain, adapted = tiny(dtype="float64"), tiny(dtype="float64", lora=LoraConfig(rank=2))
    assert all("lora_" in name for name in adapted.trainable())
    batch = pad(some_sequences(plain), (0, 1, 2))
    assert torch.allclose(plain.score(batch).logprobs_BT, adapted.score(batch).logprobs_BT)
    with adapted.model.disable_adapter():
        assert torch.allclose(plain.score(batch).logprobs_BT, adapted.score(batch).logprobs_BT)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)])
def test_transformers_reads_back_what_was_saved(tmp_path: Path, lora: LoraConfig | None) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    policy = tiny(lora=lora)
    with torch.no_grad():
        for parameter in policy.trainable().values():
            parameter.add_(0.02)
    policy.save(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = torch.tensor([tokenizer("12+30=")["input_ids"]])
    assert tuple(ids[0].tolist()) == policy.encode_prompt("12+30=")
    assert torch.allclose(model(ids).logits, policy.model(ids).logits, atol=1e-5)
    again = Policy.load(PolicyConfig(path=str(tmp_path)))
    assert again.eos_ids == policy.eos_ids


def test_gradient_checkpointing_changes_nothing() -> None:
    gradients = []
    for on in (False, True):
        policy = tiny(dtype="float64", gradient_checkpointing=on)
        policy.training_mode(dropout=False)
        policy.score(pad(some_sequences(policy), (0, 1, 2))).logprobs_BT.sum().backward()
        gradients.append([p.grad for p in policy.trainable().values()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.allclose(plain, recomputed, atol=1e-12)


def test_missing_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        Policy.load(PolicyConfig(path=str(tmp_path / "nowhere")))
    with pytest.raises(ModelError, match=r"has no config\.json"):
        Policy.load(PolicyConfig(path=str(tmp_path)))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load model"):
        Policy.load(PolicyConfig(path=str(tmp_path)))


def test_chat_needs_a_template() -> None:
    with pytest.raises(ModelError, match="no chat template"):
        tiny().encode_prompt((Message("user", "1+1="),))


def test_foreign_weights_are_refused() -> None:
    with pytest.raises(ModelError, match="another model"):
        tiny().load_trainable({"x": torch.zeros(1)})
