from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
import torch

from truing.core.errors import DataError
from truing.core.records import Completion, Outcome, Problem, Verdict
from truing.grpo.algorithms import ALGORITHMS, Context
from truing.grpo.algorithms.grpo import GRPO, GRPOConfig
from truing.grpo.algorithms.sft import SFT, SFTConfig
from truing.grpo.losses import Aggregation
from truing.grpo.optimizer import OptimizerConfig, TrainingDiverged, learning_rate
from truing.grpo.policy import Policy, PolicyConfig
from truing.grpo.sampling import TransformersSampler
from truing.grpo.tiny import TinyModelConfig

TINY = TinyModelConfig(
    hidden_size=32, layers=2, heads=2, feedforward_size=64, context=32, characters="0123456789+="
)
PROBLEMS = tuple(Problem(id=str(n), prompt=f"{n}+{n}=", reference=str(2 * n)) for n in range(12))


class InstantScorer:
    """Judges by a function, at once."""

    def __init__(self, judge: Callable[[Completion, Problem], Verdict]) -> None:
        self.judge = judge

    def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
        done: Future[Verdict] = Future()
        done.set_result(self.judge(completion, problem))
        return done


def graded(completion: Completion, problem: Problem) -> Verdict:
    """Share of the characters that are the digit 1: rewards of many values."""
    share = completion.text.count("1") / max(len(completion.text), 1)
    return Verdict(share, Outcome.PARTIAL if share else Outcome.WRONG)


def make(judge: Callable[[Completion, Problem], Verdict] = graded, **settings: Any) -> GRPO:
    policy = Policy.load(PolicyConfig(build=TINY, dtype="float64"), seed=2)
    settings = {
        "steps": 60,
        "problems_per_step": 4,
        "group_size": 4,
        "max_new_tokens": 8,
    } | settings
    context = Context(policy, TransformersSampler(policy), InstantScorer(judge), PROBLEMS, seed=0)
    algorithm = GRPO(GRPOConfig.model_validate(settings), context)
    if algorithm.needs_reference:
        policy.keep_reference()
        with torch.no_grad():  # so that the penalty has something to pull at
            for parameter in policy.trainable().values():
                parameter.mul_(1.05)
    return algorithm


def gradient(algorithm: GRPO) -> dict[str, torch.Tensor]:
    """Gradient of the whole first minibatch, before clipping."""
    from truing.grpo.advantage import group_relative
    from truing.grpo.algorithms.grpo import reward_table
    from truing.grpo.metrics import TokenMeter
    from truing.grpo.scoring import with_advantages

    rollouts, _ = algorithm._sample(1)
    rewards, valid = reward_table(rollouts, algorithm.config.group_size)
    rollouts = with_advantages(rollouts, group_relative(rewards, valid), valid)
    counted = [rollout for rollout in rollouts if rollout.advantage is not None]
    trained, totals = algorithm._prepare(counted)
    for loss in algorithm._losses(trained, totals, TokenMeter()):
        loss.backward()
    return {n: p.grad.clone() for n, p in algorithm.policy.trainable().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor], tolerance: float) -> bool:
    return all(torch.allclose(left[n], right[n], atol=tolerance, rtol=0) for n in left)


@pytest.mark.parametrize("aggregation", list(Aggregation))
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_any_micro_batch_size_gives_the_same_gradient(
    aggregation: Aggregation, beta: float
) -> None:
    settings = {"aggregation": aggregation, "beta": beta}
    whole = gradient(make(tokens_per_micro_batch=100_000, **settings))
    assert max(g.abs().max().item() for g in whole.values()) > 1e-3
    for budget in (1, 30, 64):
        parts = gradient(make(tokens_per_micro_batch=budget, **settings))
        assert same(whole, parts, 1e-6)


def test_gradient_against_a_plain_loop_over_sequences() -> None:
    """The paper's eq. 3, written out: mean over sequences of the mean over tokens of A log π."""
    algorithm = make()
    found = gradient(algorithm)
    policy = algorithm.policy
    policy.model.zero_grad()
    rollouts, _ = algorithm._sample(1)
    total = torch.zeros((), dtype=torch.float64)
    for group in range(4):
        members = [rollout for rollout in rollouts if rollout.group == group]
        rewards = torch.tensor([rollout.reward for rollout in members], dtype=torch.float64)
        deviation = rewards.std()
        for rollout, reward in zip(members, rewards, strict=True):
            advantage = (reward - rewards.mean()) / (deviation + 1e-6)
            prompt = policy.encode_prompt(rollout.problem.prompt)
            ids = torch.tensor([[*prompt, *rollout.completion.token_ids]])
            table = policy.model(input_ids=ids).logits[0].log_softmax(-1)
            places = range(len(prompt), ids.shape[1])
            logprobs = torch.stack([table[t - 1, ids[0, t]] for t in places])
            total = total - (advantage * logprobs).mean() / len(rollouts)
    total.backward()
    # The head computes in at least float32; in float64 both agree to rounding.
    plain = {n: p.grad.clone() for n, p in policy.trainable().items()}
    assert same(found, plain, 1e-9)


def test_skipping_zero_advantages_changes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_problem(completion: Completion, problem: Problem) -> Verdict:
        return Verdict.correct() if int(problem.id) % 2 else graded(completion, problem)

    skipping = gradient(make(by_problem))
    kept = make(by_problem)
    monkeypatch.setattr(kept, "needs_reference", True)
    monkeypatch.setattr(kept.policy, "_reference", dict(kept.policy.trainable()))
    assert kept.config.beta == 0
    assert same(skipping, gradient(kept), 1e-12)


def test_on_policy_ratio_is_one_and_the_sampler_agrees() -> None:
    metrics = make().step(1).metrics
    assert metrics["clip_share"] == 0
    assert metrics["mismatch/max"] < 1e-5
    assert metrics["loss"] == pytest.approx(0.0, abs=1e-3)


def test_several_updates_move_the_ratio() -> None:
    fast = OptimizerConfig(learning_rate=3e-2)
    metrics = make(epochs=3, minibatches=2, optimizer=fast).step(1).metrics
    assert metrics["clip_share"] > 0
    # Old log-probs were fixed before the first update, so this is still sampler against trainer.
    assert metrics["mismatch/max"] < 1e-5


def test_verifier_faults_leave_the_group_and_are_counted() -> None:
    def flaky(completion: Completion, problem: Problem) -> Verdict:
        if problem.id in {"0", "1", "2", "3", "4", "5"}:
            return Verdict(0.0, Outcome.VERIFIER_ERROR, reason="broken")
        return graded(completion, problem)

    result = make(flaky, problems_per_step=12).step(1)
    faulty = [r for r in result.rollouts if r.verdict.outcome is Outcome.VERIFIER_ERROR]
    assert len(faulty) == 24
    assert all(r.reward is None and r.advantage is None for r in faulty)
    assert result.metrics["groups/excluded"] == 6
    assert result.metrics["samples/excluded"] == 24
    assert result.metrics["outcome/verifier_error"] == 24
    sound = [r.reward for r in result.rollouts if r.reward is not None]
    assert result.metrics["reward/mean"] == pytest.approx(sum(sound) / len(sound))


def test_a_step_without_signal_changes_no_weight() -> None:
    algorithm = make(lambda completion, problem: Verdict.correct())
    before = {n: p.detach().clone() for n, p in algorithm.policy.trainable().items()}
    metrics = algorithm.step(1).metrics
    assert metrics["groups/zero_std_share"] == 1
    assert all(torch.equal(before[n], p) for n, p in algorithm.policy.trainable().items())
    assert algorithm.policy.version == 0


def test_grpo_learns() -> None:
    optimizer = OptimizerConfig(learning_rate=5e-3, warmup_updates=3)
    algorithm = make(problems_per_step=8, group_size=8, optimizer=optimizer)
    rewards = [algorithm.step(step).metrics["reward/mean"] for step in range(1, 41)]
    assert rewards[0] < 0.2
    assert max(rewards) > 0.8


def test_a_strong_penalty_holds_the_policy_back() -> None:
    moved = {}
    for beta in (0.0, 50.0):
        algorithm = make(beta=beta, optimizer=OptimizerConfig(learning_rate=5e-3))
        if beta == 0.0:
            algorithm.policy.keep_reference()
        else:
            algorithm.policy.load_trainable(algorithm.policy.reference_weights or {})
        start = {n: p.detach().clone() for n, p in algorithm.policy.trainable().items()}
        rewards = [algorithm.step(step).metrics["reward/mean"] for step in range(1, 21)]
        moved[beta] = rewards[-1] - rewards[0]
        assert any(not torch.equal(start[n], p) for n, p in algorithm.policy.trainable().items())
    assert moved[0.0] > moved[50.0] + 0.1


def test_sft_learns_and_uses_every_demonstration_in_turn() -> None:
    policy = Policy.load(PolicyConfig(build=TINY), seed=2)
    problems = tuple(
        Problem(id=str(n), prompt=f"{n}+{n}=", metadata={"response": str(2 * n)}) for n in range(8)
    )
    context = Context(policy, TransformersSampler(policy), InstantScorer(graded), problems, seed=0)
    config = SFTConfig(steps=80, batch_size=8, optimizer=OptimizerConfig(learning_rate=1e-2))
    algorithm = SFT(config, context)
    losses = [algorithm.step(step).metrics["loss"] for step in range(1, 81)]
    assert losses[0] > 2
    assert losses[-1] < 0.05


def test_sft_gradient_does_not_depend_on_micro_batches() -> None:
    weights = []
    for budget in (1, 10_000):
        policy = Policy.load(PolicyConfig(build=TINY, dtype="float64"), seed=2)
        problems = tuple(
            Problem(id=str(n), prompt=f"{n}=", metadata={"response": "1" * (n + 1)})
            for n in range(6)
        )
        context = Context(policy, TransformersSampler(policy), InstantScorer(graded), problems, 0)
        config = SFTConfig(steps=3, batch_size=6, tokens_per_micro_batch=budget)
        algorithm = SFT(config, context)
        for step in (1, 2, 3):
            algorithm.step(step)
        weights.append({n: p.detach() for n, p in policy.trainable().items()})
    assert same(*weights, 1e-6)


def test_sft_without_demonstrations_says_what_to_map() -> None:
    policy = Policy.load(PolicyConfig(build=TINY), seed=2)
    context = Context(policy, TransformersSampler(policy), InstantScorer(graded), PROBLEMS, seed=0)
    with pytest.raises(DataError, match=r"data\.columns\.response"):
        SFT(SFTConfig(steps=1), context)


def test_divergence_stops_the_run_before_the_weights_are_harmed() -> None:
    algorithm = make()
    before = {n: p.detach().clone() for n, p in algorithm.policy.trainable().items()}
    bad = next(iter(algorithm.policy.trainable().values())).sum() * float("nan")
    with pytest.raises(TrainingDiverged, match="was not applied"):
        algorithm.optimizer.update([bad])
    assert all(torch.equal(before[n], p) for n, p in algorithm.policy.trainable().items())


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447]),
    ],
)
def test_schedules_by_hand(schedule: str, expected: list[float]) -> None:
    config = OptimizerConfig.model_validate(
        {"learning_rate": 1.0, "schedule": schedule, "warmup_updates": 2}
    )
    found = [learning_rate(config, update, 6) for update in range(6)]
    assert found == pytest.approx(expected, abs=1e-6)


def test_config_faults_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="group-relative advantages need at least 2"):
        GRPOConfig(steps=1, group_size=1)
    with pytest.raises(ValueError, match="each minibatch needs"):
        GRPOConfig(steps=1, problems_per_step=2, minibatches=3)
    assert set(ALGORITHMS) >= {"grpo", "sft"}
