"""`truing train`: a configuration becomes a trained model, from where it last stood."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..core.records import Json, Problem
    from ..grpo.data import ProblemSet
    from ..grpo.policy import Policy
    from ..grpo.run import RunConfig, RunFolder


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("train")(train)


def train(
    config: Annotated[Path, typer.Argument(help="TOML file of the run.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value pairs that win over the file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the resolved configuration and stop.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set an existing run aside and begin again.")
    ] = False,
) -> None:
    """Train a model; the same command again goes on where it stopped."""
    from ..core.config import apply_overrides, read_toml, to_toml
    from ..core.openmp import wait_asleep

    wait_asleep()  # verifier processes need the cores that torch's idle threads would spin on

    tables = apply_overrides(read_toml(config), overrides or [])
    from ..grpo.run import RunFolder, resolve_run

    resolved = resolve_run(tables, where=str(config))
    if dry_run:
        typer.echo(to_toml(resolved), nl=False)
        return
    output = Path(resolved.output)
    folder = RunFolder(output)
    try:
        rows = run_training(resolved, folder, fresh=fresh)
    finally:
        folder.close()
    _print_table(rows, output)


def run_training(
    config: "RunConfig", folder: "RunFolder", *, fresh: bool = False
) -> "list[dict[str, Json]]":
    """Load what the configuration names, wire it together, and train."""
    import torch

    from ..benchmarks.evaluate import measure
    from ..grpo.data import load_problems
    from ..grpo.display import open_display
    from ..grpo.loop import Loop
    from ..grpo.policy import Policy
    from ..grpo.run import run_facts
    from ..grpo.sampling import SAMPLERS
    from ..grpo.scoring import PoolScorer
    from ..verifiers import VerifierPool, load_verifier

    if config.threads:
        torch.set_num_threads(config.threads)
    load_verifier(config.verifier, config.verifier_options)  # a fault here is found at once
    policy = Policy.load(config.model, seed=config.seed)
    problems = load_problems(
        config.data,
        verifier=config.verifier,
        prompt_tokens=lambda prompt: len(policy.encode_prompt(prompt)),
    )
    _check_lengths(config, policy, [*problems.train, *problems.heldout])
    facts = run_facts(config, problems.sha256, problems.source)
    if fresh and folder.begun:
        typer.echo(f"the earlier run stands in {folder.set_aside()} now")
    if folder.begun:
        folder.check_same(config, facts)
    else:
        folder.begin(config, facts)
    display = open_display()
    for note in _opening(config, policy, problems):
        display.note(note)
    settings = config.verification
    with VerifierPool(
        workers=settings.workers, retries=settings.retries, wall_seconds=settings.wall_seconds
    ) as pool:
        scorer = PoolScorer(
            pool, config.verifier, config.verifier_options, settings.judge_truncated
        )
        return Loop(
            config,
            folder.path,
            policy,
            SAMPLERS[config.sampler.kind](policy, config.sampler),
            scorer,
            problems.train,
            problems.heldout,
            measure,
            display,
        ).run()


def _check_lengths(config: "RunConfig", policy: "Policy", problems: "Sequence[Problem]") -> None:
    """Refuse prompts that leave no room for an answer before anything is trained."""
    from ..grpo.sampling import check_lengths

    stages = [getattr(config, stage) for stage in config.stages]
    room = [getattr(stage, "max_new_tokens", 0) for stage in stages]
    if config.evaluation.enabled and config.data.holdout:
        room.append(config.evaluation.max_new_tokens)
    encoded = [policy.encode_prompt(problem.prompt) for problem in problems]
    check_lengths(encoded, max(room), policy.context)


def _opening(config: "RunConfig", policy: "Policy", problems: "ProblemSet") -> list[str]:
    parameters = sum(p.numel() for p in policy.model.parameters())
    trained = sum(p.numel() for p in policy.trainable().values())
    return [
        *problems.notes,
        f"data: {len(problems.train)} problems to train on, {len(problems.heldout)} held out, "
        f"from {problems.source}",
        f"model: {parameters:,} parameters, {trained:,} trained, on {policy.device}",
        f"run folder: {config.output}",
    ]


def _print_table(rows: "list[dict[str, Json]]", output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Held-out accuracy ({output})")
    table.add_column("", no_wrap=True)
    for column in ("accuracy", "95% interval", "answers", "tokens/s", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["label"],
            f"{row['accuracy']:.1%}",
            f"{row['low']:.1%} - {row['high']:.1%}",
            f"{row['n']:.0f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['training_seconds']:.1f}",
        )
    console = Console()
    if rows:
        console.print(table)
        console.print("tokens/s: sampled while evaluating; seconds: spent in the stage's training")
    console.print(f"model: {output / 'model'}    report: truing report {output}", soft_wrap=True)
