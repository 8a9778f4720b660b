"""The same run twice, once broken off after every round but the last."""

from siwork.loop import prepare, resume


def whole_and_broken(folder, formula, *, rounds, problems, task="countdown(numbers=3)"):
    """A run played in one go, and one played round by round, a process's memory lost between them."""
    whole, broken = (
        prepare(formula, task, "tabular", rounds=rounds, problems=problems, folder=folder / name).folder
        for name in ("whole", "broken")
    )
    for reached in range(1, rounds):
        resume(broken, rounds=reached)
    return resume(whole), resume(broken, rounds=rounds)
