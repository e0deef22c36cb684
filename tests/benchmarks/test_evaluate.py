"""Evaluation: what counts, what does not, and that grading goes on while sampling does."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

import pytest

from truing.benchmarks.estimate import wilson
from truing.benchmarks.evaluate import Evaluation, evaluate, measure
from truing.core.errors import DataError, VerifierFault
from truing.core.records import Completion, FinishReason, Outcome, Problem, Rollout, Verdict
from truing.core.sampler import Prompt, Sample, SamplingParams

CORRECT = Verdict.correct("2")
WRONG = Verdict.wrong("3")
FAULT = Verdict(0.0, Outcome.VERIFIER_ERROR, reason="it raised KeyError")
PARTIAL = Verdict(0.5, Outcome.PARTIAL)


class Script:
    """A sampler whose completions say their place, the later problems first."""

    def __init__(self, on_sample: Callable[[int], None] = lambda _: None) -> None:
        self.on_sample = on_sample

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Sample]:
        for number, prompt in enumerate(reversed(range(len(prompts)))):
            for sample in range(params.n):
                self.on_sample(number * params.n + sample)
                ids = tuple(range(prompt + 1))
                yield Sample(prompt, sample, Completion(f"{prompt}/{sample}", ids))


class Table:
    """A scorer that looks its verdicts up."""

    def __init__(self, *rows: Sequence[Verdict]) -> None:
        self.rows = rows

    def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
        prompt, sample = map(int, completion.text.split("/"))
        assert problem.id == str(prompt)
        future: Future[Verdict] = Future()
        future.set_result(self.rows[prompt][sample])
        return future


def problems(count: int) -> list[Problem]:
    return [Problem(id=str(n), prompt=f"{n}?") for n in range(count)]


def run(*rows: Sequence[Verdict], max_fault_share: float = 1.0) -> Evaluation:
    params = SamplingParams(n=len(rows[0]))
    return evaluate(
        Script(), Table(*rows), problems(len(rows)), params, max_fault_share=max_fault_share
    )


def test_figures_by_hand() -> None:
    found = run([CORRECT, WRONG], [WRONG, WRONG], [CORRECT, CORRECT], [PARTIAL, WRONG])
    assert found.accuracy == pytest.approx((0.5 + 0 + 1 + 0.25) / 4)
    assert found.low < found.accuracy < found.high
    assert found.outcomes == {Outcome.CORRECT: 3, Outcome.PARTIAL: 1, Outcome.WRONG: 4}
    assert found.pass_at == {2: 0.5}  # partial credit is no pass
    assert (found.problems, found.samples, found.graded, found.completions) == (4, 2, 8, 8)
    assert found.tokens == 2 * (1 + 2 + 3 + 4)
    assert (found.length_p50, found.length_max) == (2.5, 4)
    assert [(r.group, r.sample) for r in found.rollouts] == [
        (g, s) for g in range(4) for s in (0, 1)
    ]
    assert Evaluation.from_json(found.to_json()) == found


def test_one_sample_has_the_wilson_interval() -> None:
    found = run([CORRECT], [WRONG], [WRONG])
    assert (found.low, found.high) == pytest.approx(wilson(1, 3))
    assert found.pass_at == {}


def test_faults_are_left_out_and_counted_and_never_zero() -> None:
    found = run([CORRECT, FAULT], [CORRECT, CORRECT], [FAULT, FAULT])
    assert found.accuracy == 1.0
    assert (found.graded, found.faults, found.completions) == (3, 3, 6)
    assert found.outcomes[Outcome.VERIFIER_ERROR] == 3
    assert [r.reward for r in found.rollouts] == [1.0, None, 1.0, 1.0, None, None]
    metrics = found.metrics()
    assert metrics["n"] == 3
    assert metrics["verifier_fault_share"] == 0.5
    assert metrics["outcome/verifier_error"] == 3
    assert metrics["outcome/wrong"] == 0


def test_an_evaluation_of_faults_alone_has_no_accuracy() -> None:
    with pytest.raises(VerifierFault, match=r"2 of 2 judgements failed .* it raised KeyError"):
        run([FAULT], [FAULT])


def test_too_many_faults_stop_it_before_all_is_sampled() -> None:
    drawn: list[int] = []
    with pytest.raises(VerifierFault, match=r"2 of 10 .* at most 10% may"):
        evaluate(
            Script(drawn.append),
            Table(*[[FAULT]] * 10),
            problems(10),
            SamplingParams(),
            max_fault_share=0.1,
        )
    assert len(drawn) < 5


def test_verdicts_are_taken_while_the_sampler_still_draws() -> None:
    events: list[str] = []
    evaluate(
        Script(lambda number: events.append(f"sample {number}")),
        Table([CORRECT], [CORRECT]),
        problems(2),
        SamplingParams(),
        on_graded=lambda rollout: events.append(f"graded {rollout.problem.id}"),
    )
    assert events == ["sample 0", "graded 1", "sample 1", "graded 0"]


def test_late_verdicts_are_waited_for() -> None:
    futures: list[Future[Verdict]] = []

    class Late:
        def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
            futures.append(Future())
            if len(futures) == 3:  # the last to be asked answers for all, in any order
                for future in reversed(futures):
                    future.set_result(CORRECT)
            return futures[-1]

    graded: list[Rollout] = []
    found = evaluate(Script(), Late(), problems(3), SamplingParams(), on_graded=graded.append)
    assert found.accuracy == 1.0
    assert len(graded) == 3


def test_truncation_is_counted_by_how_generation_ended() -> None:
    class Cut(Script):
        def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Sample]:
            for prompt, sample, completion in super().sample(prompts, params):
                reason = FinishReason.LENGTH if prompt else FinishReason.STOP
                yield Sample(
                    prompt, sample, Completion(completion.text, (1, 2), finish_reason=reason)
                )

    rows = ([CORRECT], [Verdict(0.0, Outcome.TRUNCATED)], [Verdict(0.0, Outcome.TRUNCATED)])
    metrics = measure(Cut(), Table(*rows), problems(3), SamplingParams())
    assert metrics["truncated_share"] == pytest.approx(2 / 3)
    assert metrics["outcome/truncated"] == 2
    assert metrics["accuracy"] == pytest.approx(1 / 3)


def test_no_problems_is_the_users_fault() -> None:
    with pytest.raises(DataError, match="no problems to evaluate on"):
        evaluate(Script(), Table(), [], SamplingParams())
