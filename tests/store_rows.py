"""Made-up tables for the tests of the store; their content is a pure function of (seed, round)."""

import numpy as np
import pandas as pd

MANIFEST = {
    "recipe": "seed · cot(k=4) · gold · correct · sft",
    "task": "countdown(numbers=4)",
    "policy": "tiny",
    "seed": 0,
    "rounds": 3,
    "problems": "problems(train=2)",
}
INFO = {"policy": "abc", "seconds": 2.0}


def problems() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "problem": ["train/0", "heldout/0"],
            "split": ["train", "heldout"],
            "task": ["countdown"] * 2,
            "prompt": ["1 2 3 = 6", "1 1 2 = 4"],
            "difficulty": [0.2, 0.9],
            "band": [4, 0],
            "answer": ["1+2+3", None],
            "n_solutions": [1, None],
        }
    )


def rows(r: int, seed: int = 0, n: int = 6, run: str = "a") -> pd.DataFrame:
    """n rows; every third one is held out, every train row with an even sample is accepted."""
    rng = np.random.default_rng([seed, r])
    held = np.arange(n) % 3 == 2
    return pd.DataFrame(
        {
            "run": run,
            "round": r,
            "split": np.where(held, "heldout", "train"),
            "problem": np.where(held, "heldout/0", "train/0"),
            "sample": np.arange(n),
            "task": "countdown",
            "difficulty": np.where(held, 0.9, 0.2),
            "band": np.where(held, 0, 4),
            "prompt": "1 2 3 = 6",
            "hint": "none",
            "turn": 0,
            "agent": "solo",
            "temperature": 1.0,
            "top_p": 1.0,
            "response": [f"{x}+{y}" for x, y in rng.integers(0, 1000, (n, 2))],
            "n_tokens": rng.integers(1, 20, n),
            "finished": True,
            "logp": -rng.exponential(5, n),
            "verifier": "gold",
            "weight": (~held & (np.arange(n) % 2 == 0)).astype(float),
            "gold": rng.random(n) < 0.5,
        }
    )


def no_state(folder):
    """Write nothing: the round has no state."""
