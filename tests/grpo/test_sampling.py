import pytest
import torch

from truing.core.errors import DataError
from truing.core.records import Completion, FinishReason
from truing.core.sampler import SamplingParams
from truing.grpo.batching import TokenSequence, pad
from truing.grpo.policy import Policy, PolicyConfig
from truing.grpo.sampling import (
    SamplerConfig,
    TransformersSampler,
    check_lengths,
    inverse_cdf,
    keep_top,
)
from truing.grpo.tiny import TinyModelConfig

TINY = TinyModelConfig(hidden_size=32, layers=2, heads=2, feedforward_size=64, context=64)
PROMPTS = ["1+2=", "10+25+3=", "7=", "99+1="]


@pytest.fixture(scope="module")
def policy() -> Policy:
    made = Policy.load(PolicyConfig(build=TINY, dtype="float64"), seed=5)
    with torch.no_grad():  # sharpen, so that end-of-sequence comes at varied lengths
        weights = made.model.get_output_embeddings().weight
        weights.mul_(8)
        weights[made.tokenizer.eos_token_id] += 0.4 * weights.std()
    return made


def draw(policy: Policy, params: SamplingParams, tokens: int = 16384) -> dict[tuple, Completion]:
    sampler = TransformersSampler(policy, SamplerConfig(tokens_in_flight=tokens))
    samples = list(sampler.sample(PROMPTS, params))
    found = {(prompt, sample): completion for prompt, sample, completion in samples}
    assert len(found) == len(samples) == len(PROMPTS) * params.n
    return found


def test_each_completion_once_with_the_trainers_logprobs(policy: Policy) -> None:
    for temperature in (1.0, 0.6):
        params = SamplingParams(temperature=temperature, max_new_tokens=12, n=5, seed=3)
        for (prompt, _), completion in draw(policy, params).items():
            sequence = TokenSequence(policy.encode_prompt(PROMPTS[prompt]), completion.token_ids)
            batch = pad([sequence], (0,))
            with torch.no_grad():
                scores = policy.score(batch, temperature=temperature).logprobs_BT
            assert completion.logprobs == pytest.approx(scores[batch.scored_BT].tolist(), abs=1e-5)


def test_ends_are_marked(policy: Policy) -> None:
    completions = draw(policy, SamplingParams(max_new_tokens=12, n=8)).values()
    reasons = {completion.finish_reason for completion in completions}
    assert reasons == {FinishReason.STOP, FinishReason.LENGTH}
    for completion in completions:
        ended = completion.token_ids[-1] in policy.eos_ids
        assert ended == (completion.finish_reason is FinishReason.STOP)
        assert not any(token in policy.eos_ids for token in completion.token_ids[:-1])
        assert ended or completion.token_count == 12
        assert "<eos>" not in completion.text


def test_draws_do_not_depend_on_the_batch(policy: Policy) -> None:
    params = SamplingParams(max_new_tokens=12, n=3, seed=9)
    together, apart = draw(policy, params), draw(policy, params, tokens=1)
    assert {k: c.token_ids for k, c in together.items()} == {
        k: c.token_ids for k, c in apart.items()
    }


def test_seed_decides(policy: Policy) -> None:
    first = draw(policy, SamplingParams(max_new_tokens=12, seed=1))
    again = draw(policy, SamplingParams(max_new_tokens=12, seed=1))
    other = draw(policy, SamplingParams(max_new_tokens=12, seed=2))
    assert [c.token_ids for c in first.values()] == [c.token_ids for c in again.values()]
    assert [c.token_ids for c in first.values()] != [c.token_ids for c in other.values()]


def test_greedy_is_what_transformers_generates(policy: Policy) -> None:
    completions = draw(policy, SamplingParams(temperature=0, max_new_tokens=12))
    for number, prompt in enumerate(PROMPTS):
        ids = torch.tensor([policy.encode_prompt(prompt)])
        generated = policy.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12
        )
        assert tuple(generated[0, ids.shape[1] :].tolist()) == completions[number, 0].token_ids


def test_draws_follow_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.2], dtype=torch.float64)
    count = 20_000
    uniforms = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    drawn = inverse_cdf(probabilities.log().expand(count, 4), uniforms)
    shares = torch.bincount(drawn, minlength=4) / count
    assert torch.allclose(shares.double(), probabilities, atol=1e-3)
    assert shares[1] == 0  # what has no probability is never drawn, at the borders either
    edges = torch.tensor([0.0, 0.5, 1 - 1e-16], dtype=torch.float64)
    assert inverse_cdf(probabilities.log().expand(3, 4), edges).tolist() == [0, 2, 3]


def test_top_k_and_top_p() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert keep_top(logits, 2, 1.0).isinf().tolist() == [[False, False, True, True]]
    assert keep_top(logits, 0, 0.7).isinf().tolist() == [[False, False, True, True]]
    assert keep_top(logits, 0, 0.81).isinf().tolist() == [[False, False, False, True]]
    assert keep_top(logits, 0, 0.01).isinf().tolist() == [[False, True, True, True]]


def test_long_prompts_are_refused(policy: Policy) -> None:
    with pytest.raises(DataError, match=r"1 of 2 prompts .* has 60 tokens; the model takes 64"):
        check_lengths([(1,) * 60, (1,) * 3], 12, 64)
    sampler = TransformersSampler(policy)
    with pytest.raises(DataError, match="longer than the context"):
        next(sampler.sample(["1" * 60], SamplingParams(max_new_tokens=12)))
