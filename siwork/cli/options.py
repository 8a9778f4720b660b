"""Arguments of every command."""

from __future__ import annotations

import argparse
from pathlib import Path

from siwork.schema import KnobError

_RUNS = Path("runs")
Commands = argparse._SubParsersAction  # argparse publishes no other name for it


def at_least(options: argparse.Namespace, **least: int) -> None:
    """Nothing. Raises KnobError for an option below its least value; one that a command lacks or was not given is passed over.

    >>> at_least(argparse.Namespace(at_once=-3), at_once=1)
    Traceback (most recent call last):
    siwork.schema.errors.KnobError: --at-once must be at least 1, got -3; nearest: 1
    """
    for name, low in least.items():
        value = getattr(options, name, None)
        if value is not None and value < low:
            raise KnobError(f"--{name.replace('_', '-')} must be at least {low}, got {value}; nearest: {low}")


def _command(commands: Commands, name: str, target: str, sentence: str, failed: int = 2) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=sentence, description=sentence)
    parser.set_defaults(command=target, failed=failed)
    return parser


def _demo(commands: Commands) -> None:
    parser = _command(
        commands, "demo", "demo:demo", "Run the vanilla loop and one remedy on countdown; write report.html."
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each recipe (default 3)")
    parser.add_argument("--rounds", type=int, default=4, help="updates of each run (default 4)")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), help="the report (default report.html)"
    )


def _run(commands: Commands) -> None:
    parser = _command(commands, "run", "rounds:run", "Run a recipe, by name or formula, with one or more seeds.")
    parser.add_argument(
        "recipe", help="a name of the catalogue, or a formula such as 'seed | cot(k=16) | gold | correct | sft'"
    )
    _setting(parser, rounds=6, seeds=1, problems=300, heldout=100, beyond=50, samples=32)


def _setting(parser: argparse.ArgumentParser, **numbers: int) -> None:
    """What all runs of a command share."""
    parser.add_argument("--task", default="countdown", help="a task, e.g. 'countdown(numbers=4)' (default countdown)")
    parser.add_argument("--policy", default="tiny", help="a policy: tiny or tabular, with knobs (default tiny)")
    _numbers(parser, **numbers)
    _place(parser, _RUNS)
    parser.add_argument("--name", help="name of the runs (default: recipe and task)")


def _place(parser: argparse.ArgumentParser, place: Path) -> None:
    """Where the runs of a command go, and how many of them are played side by side."""
    parser.add_argument("--folder", type=Path, default=place, help=f"where run folders go (default {place})")
    parser.add_argument("--at-once", type=int, help="runs at a time (default one a core)")


_COUNTED = {
    "rounds": "updates of each run",
    "seeds": "runs that differ in the seed only",
    "seed": "seed of the first run",
    "problems": "training problems",
    "heldout": "held-out problems",
    "beyond": "harder problems",
    "samples": "completions of each held-out problem",
}


def _numbers(parser: argparse.ArgumentParser, **numbers: int) -> None:
    """Rounds, seeds and sizes with their defaults."""
    for name, about in _COUNTED.items():
        default = numbers.get(name, 0)
        if name in numbers or name == "seed":
            parser.add_argument(f"--{name}", type=int, default=default, help=f"{about} (default {default})")


def _resume(commands: Commands) -> None:
    parser = _command(commands, "resume", "rounds:resume", "Play the rounds that are missing in run folders.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--rounds", type=int, help="go on to this many updates instead of those planned")
    parser.add_argument("--at-once", type=int, help="runs at a time (default one a core)")


def _fork(commands: Commands) -> None:
    parser = _command(
        commands, "fork", "rounds:fork", "Copy a run up to a round into a new folder, with parts exchanged."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path, help="the new run folder")
    parser.add_argument("--at", type=int, required=True, help="first round that is played anew")
    parser.add_argument("--recipe", help="another recipe from there on")
    parser.add_argument("--rounds", type=int, help="another number of updates")
    parser.add_argument("--seed", type=int, help="another seed")


def _ablate(commands: Commands) -> None:
    sentence = "Exchange one slot of a recipe: play the alternatives under the same seeds, and say what each changes."
    parser = _command(commands, "ablate", "arms:ablate", sentence)
    parser.add_argument("recipe", help="a name of the catalogue, or a formula")
    parser.add_argument("--slot", required=True, help="proposer, sampler, verifier, selector, update or stabiliser")
    words = "what to put there instead, e.g. 'best(n=4), correct + balance, none'; none leaves the slot out"
    parser.add_argument("--with", dest="others", required=True, metavar="ALTERNATIVES", help=words)
    _setting(parser, rounds=6, seeds=3, problems=300, heldout=100, beyond=0, samples=32)
    _page(parser, Path("ablation.html"))


def _surface(commands: Commands) -> None:
    sentence = "Play a loop behind every pair of a verifier's error rates, and draw where each ends."
    parser = _command(commands, "surface", "arms:surface", sentence)
    words = "a name or a formula whose first verifier is noisy (default ladder)"
    parser.add_argument("recipe", nargs="?", default="ladder", help=words)
    words = "rates of false accepts and of false rejects (default 0,0.1,0.2,0.4)"
    parser.add_argument("--grid", default="0,0.1,0.2,0.4", metavar="RATES", help=words)
    parser.add_argument("--link", default="flat", help="flat, or difficulty for rates that grow with it (default flat)")
    _setting(parser, rounds=3, seeds=3, problems=150, heldout=100, beyond=0, samples=16)
    _page(parser, Path("surface.html"))


def _claims(commands: Commands) -> None:
    sentence = "Ask claims of the literature of small models: the rule first, then the runs, then the verdict."
    parser = _command(commands, "claims", "claims:claims", sentence)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of claims; without any all are asked")
    parser.add_argument("--list", action="store_true", help="the claims with the verdicts that ship; nothing is played")
    parser.add_argument("--markdown", action="store_true", help="the verdicts that ship as a table for the README")
    parser.add_argument("--rule", action="store_true", help="what would be played and the rule; nothing is played")
    _numbers(parser, seeds=5)
    _place(parser, _RUNS / "claims")
    words = "the table of verdicts, which keeps those of other claims (default claims.csv)"
    parser.add_argument("-o", "--output", type=Path, default=Path("claims.csv"), help=words)


def _page(parser: argparse.ArgumentParser, path: Path) -> None:
    parser.add_argument("-o", "--output", type=Path, default=path, help=f"the page with the figure (default {path})")
    parser.add_argument("--json", action="store_true", help="for programs: the table alone")


def _measure(commands: Commands) -> None:
    sentence = "Play methods of the catalogue beside vanilla at equal samples, and write what each changes."
    parser = _command(commands, "measure", "measuring:measure", sentence)
    parser.add_argument("names", nargs="*", metavar="NAME", help="methods (default all that play on tiny)")
    _numbers(parser, rounds=2, seeds=5, problems=150, heldout=60, samples=16)
    _place(parser, _RUNS / "measured")
    words = "the table (default measured.csv; the one that ships is data/methods/measured.csv)"
    parser.add_argument("-o", "--output", type=Path, default=Path("measured.csv"), help=words)


def _pretrain(commands: Commands) -> None:
    parser = _command(
        commands, "pretrain", "pretrain:pretrain", "Train a base model from scratch on a task's own answers."
    )
    parser.add_argument("task", help="a task, e.g. 'countdown(numbers=4)'")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the weights, a .safetensors file")
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps (default 3000)")
    parser.add_argument("--batch", type=int, default=128, help="examples in a step (default 128)")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate (default 0.003)")
    parser.add_argument(
        "--pool", type=int, default=40_000, help="different examples, used again and again (default 40000)"
    )
    parser.add_argument("--width", type=int, default=64, help="width of the network (default 64)")
    parser.add_argument("--layers", type=int, default=3, help="layers of the network (default 3)")
    parser.add_argument("--heads", type=int, default=2, help="attention heads of the network (default 2)")
    parser.add_argument("--hidden", type=int, default=176, help="width of its feed-forward layers (default 176)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and examples (default 0)")


def _recipes(commands: Commands) -> None:
    parser = _command(
        commands,
        "recipes",
        "catalogue:recipes",
        "List recipes and components, those of a slot, or show one with its knobs.",
    )
    parser.add_argument("name", nargs="?")
    parser.add_argument("--markdown", action="store_true", help="the catalogue as the table of the README")
    parser.add_argument("--json", action="store_true", help="for programs")


def _tasks(commands: Commands) -> None:
    parser = _command(
        commands, "tasks", "catalogue:tasks", "List tasks, or show one with its knobs and a few problems."
    )
    parser.add_argument("name", nargs="?")
    parser.add_argument("--json", action="store_true", help="for programs")


def _metrics(commands: Commands) -> None:
    parser = _command(
        commands, "metrics", "catalogue:metrics", "List what can be measured, by family, with units and needed columns."
    )
    parser.add_argument("name", nargs="?", help="a metric, such as pass@8, or a family")
    parser.add_argument("--markdown", action="store_true", help="the metrics as the table of the README")
    parser.add_argument("--json", action="store_true", help="for programs")


def _report(commands: Commands) -> None:
    parser = _command(commands, "report", "rounds:report", "Write one self-contained HTML page on one or more runs.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN", help="run folders, or folders of run folders")
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"), help="the page (default report.html)")


def _diagnose(commands: Commands) -> None:
    sentence = (
        "Say what is wrong with runs, since which round; exit status 0 fine, 1 watch, 2 alarm, 3 unknown or unreadable."
    )
    parser = _command(commands, "diagnose", "diagnose:diagnosed", sentence, failed=3)
    about = (
        "run folders, folders of run folders, or files of rows (.parquet, .csv, .jsonl); seeds of one recipe together"
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN", help=about)
    chance = "chance that noise alone alarms anywhere in a run (default 0.05)"
    parser.add_argument("--error", type=float, default=0.05, help=chance)
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--from", dest="format", metavar="FORMAT", help=f"the paths are logs of this kind: {_FORMATS}")
    _asked(parser)


_FORMATS = "trl, verl and others; siwork import --help has all"


def _asked(parser: argparse.ArgumentParser) -> None:
    """What every reader of foreign logs takes."""
    parser.add_argument("--gold", metavar="COLUMN", help="column of the log that says what is right")
    parser.add_argument("--answer", metavar="COLUMN", help="column of the log that holds the answer")
    parser.add_argument(
        "--score", metavar="NAME[:LOW:HIGH]", help="the reward that is the verifier's score, and its range"
    )
    parser.add_argument("--name", help="name of the run (default: the folder's)")
    parser.add_argument("--columns", metavar="OURS=THEIRS,…", help="of a table: prompt=question,response=completion,…")


def _import(commands: Commands) -> None:
    sentence = "Say what another framework's log can and cannot tell; write its rows."
    parser = _command(commands, "import", "importing:imported", sentence)
    parser.add_argument("path", type=Path, help="the folder or file that the framework wrote")
    parser.add_argument("--from", dest="format", required=True, metavar="FORMAT", help="; ".join(_known()))
    _asked(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the rows there, as .parquet")
    parser.add_argument("--json", action="store_true", help="for programs")


def _watch(commands: Commands) -> None:
    sentence = "Follow a log that is being written, and say what is wrong as rounds are added; Ctrl-C ends it."
    parser = _command(commands, "watch", "importing:watched", sentence, failed=3)
    parser.add_argument("path", type=Path, help="the folder or file that the framework writes")
    parser.add_argument("--from", dest="format", required=True, metavar="FORMAT", help="; ".join(_known()))
    _asked(parser)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two looks (default 2)")
    parser.add_argument("--quiet", type=float, metavar="SECONDS", help="end when nothing new has come for so long")


def _known() -> tuple[str, ...]:
    """Names of the formats; their readers are loaded when one is asked for."""
    return (
        "trl", "verl", "lm-eval", "inspect", "verifiers", "swift", "open-instruct", "skyrl", "areal", "nemo-rl",
        "lighteval", "openai-batch", "table", "rows",
    )  # fmt: skip


def _clinic(commands: Commands) -> None:
    sentence = "Show runs with planted failures beside healthy ones, and what is diagnosed; without a case, list them."
    parser = _command(commands, "clinic", "clinic:clinic", sentence)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names of cases, or all")
    parser.add_argument("--size", default="usual", help="scant, small, usual or large (default usual)")
    parser.add_argument("--seed", type=int, default=0, help="seed of problems and draws (default 0)")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write a page a case, and an index, there")
    parser.add_argument("--rates", action="store_true", help="print how often each verdict was measured to alarm")
    parser.add_argument("--json", action="store_true", help="for programs")


def _serve(commands: Commands) -> None:
    sentence = "Serve a model with vLLM on this machine, until Ctrl-C or while a command runs, with its exit status."
    parser = _command(commands, "serve", "serving:serve", sentence)
    parser.usage = "siwork serve MODEL [options] [-- COMMAND …]"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = """examples:
  siwork serve models/base --lora 16 --log server.log
  siwork serve models/base -- sh -c 'siwork run star --policy "server(\\"$SIWORK_SERVER\\", \\"models/base\\")"'
"""
    parser.add_argument("model", metavar="MODEL", help="folder or hub id of the model, and the name it is served by")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default 0, a free one)")
    parser.add_argument(
        "--lora", type=int, default=0, metavar="RANK", help="take adapters up to this rank while it runs"
    )
    parser.add_argument(
        "--python", metavar="PATH", help="the Python that has vLLM (default $SIWORK_VLLM_PYTHON, or this)"
    )
    parser.add_argument("--context", type=int, metavar="N", help="most tokens of a prompt and its completion")
    parser.add_argument("--log", type=Path, metavar="FILE", help="where its words go (default a temporary file)")
    parser.add_argument("--vllm", default="", metavar="OPTIONS", help="further options of vLLM's, as --vllm='--seed 1'")
    parser.add_argument("--json", action="store_true", help="for programs: one line when it is ready")


COMMANDS = (
    _demo, _run, _resume, _fork, _ablate, _surface, _claims, _measure, _pretrain, _recipes, _tasks, _metrics, _report,
    _diagnose, _import, _watch, _clinic, _serve,
)  # fmt: skip
