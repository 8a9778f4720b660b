"""`siwork pretrain`: base weights from a task's own answers."""

from __future__ import annotations

import argparse
import sys
import time

from siwork.tasks import synthetic, task_of


def pretrain(options: argparse.Namespace) -> int:
    """Train, write the weights, and say how the loss fell. Raises KnobError for a task without a vocabulary."""
    from siwork.policies.network import Shape
    from siwork.policies.pretrain import pretrain as train_base

    task, began = synthetic(task_of(options.task), "pretrain"), time.monotonic()

    def tell(share: float) -> None:
        seconds = time.monotonic() - began
        left = seconds * (1 - share) / share if share else 0.0
        end = "\n" if share >= 1 else ""
        sys.stdout.write(f"\r{share:4.0%} of {options.steps} steps · {seconds:.0f} s · about {left:.0f} s left{end}")
        sys.stdout.flush()

    policy, losses = train_base(
        task,
        Shape(options.width, options.layers, options.heads, options.hidden),
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        rate=options.rate,
        pool=options.pool,
        tell=tell if sys.stdout.isatty() else None,
    )
    policy.write(options.output)
    size = options.output.stat().st_size / 1e6
    print(f"{options.output} ({size:.2f} MB): loss {losses[:20].mean():.3f} → {losses[-100:].mean():.3f} nats a token")
    return 0
