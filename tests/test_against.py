"""Methods against vanilla: the same problems and seeds, and as many samples a round, counted by hand."""

import statistics

import pytest

from siwork.against import ROUNDS, SIZES, Setting, cost, drawn, equal_k, lacking, methods_of, own_runs, references
from siwork.cli.main import _parser
from siwork.loop import Sizes, resume
from siwork.recipes import LACKING, RECIPES
from siwork.schema import RecipeError, RunError
from siwork.store import Run

SMALL = Sizes(train=12, heldout=12, beyond=0, samples=4)
NAMES = ["vanilla", "multiagent", "promptbreeder", "balanced"]


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    return Setting(tmp_path_factory.mktemp("against"), (3, 4), 2, SMALL, "tabular")


@pytest.fixture(scope="module")
def own(setting):
    found = own_runs(NAMES, setting)
    for folder in [folder for folders in found.values() for folder in folders]:
        resume(folder)
    return {name: [Run(folder) for folder in folders] for name, folders in found.items()}


@pytest.fixture(scope="module")
def beside(own, setting):
    found = references({name: equal_k(runs[0]) for name, runs in own.items()}, setting)
    for folder in dict.fromkeys(folder for folders in found.values() for folder in folders):
        resume(folder)
    return {name: [Run(folder) for folder in folders] for name, folders in found.items()}


def rows_by_hand(run):
    """Train rows of both training rounds that are the policy's own word."""
    rows = run.rows([0, 1], ["split", "agent", "hint"])
    return int(((rows["split"] == "train") & (rows["agent"] != "mutation")).sum())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_is_counted_and_what_a_rule_wrote_is_not(own, name):
    for run in own[name]:
        assert drawn(run, 0) + drawn(run, 1) == rows_by_hand(run)
    assert cost(own[name]).samples == sum(map(rows_by_hand, own[name])) / 4
    made = sum(run.round_info(r)["n_train"] for run in own[name] for r in (0, 1))
    assert (made > 4 * cost(own[name]).samples) == (name == "promptbreeder")


def test_several_agents_draw_more_and_their_samples_are_paid_for(own, beside):
    assert equal_k(own["multiagent"][0]) == round(rows_by_hand(own["multiagent"][0]) / 2 / 12) > 16
    assert equal_k(own["promptbreeder"][0]) == equal_k(own["balanced"][0]) == 16
    for name, runs in beside.items():
        assert cost(runs).samples == 12 * equal_k(own[name][0])


def test_seconds_are_the_mean_of_a_runs_training_rounds_and_the_median_of_runs(own):
    each = [statistics.mean(run.round_info(r)["seconds"] for r in (0, 1)) for run in own["balanced"]]
    assert cost(own["balanced"]).seconds == pytest.approx(sum(each) / 2)
    assert cost(own["balanced"][:1]).seconds == pytest.approx(each[0])


def test_both_sides_have_the_same_problems_seeds_and_task(own, beside):
    for name in NAMES:
        for mine, other in zip(own[name], beside[name], strict=True):
            assert mine.seed == other.seed
            assert (mine.task, mine.policy, mine.rounds_wanted) == (other.task, other.policy, other.rounds_wanted)
            assert mine.problems().equals(other.problems())


def test_references_are_shared_by_task_and_number_and_vanilla_is_its_own(own, beside):
    folders = {name: [run.folder for run in runs] for name, runs in beside.items()}
    assert folders["balanced"] == folders["promptbreeder"] == [run.folder for run in own["vanilla"]]
    assert folders["multiagent"] != folders["balanced"]
    assert len({run.folder for runs in own.values() for run in runs}) == 8


def test_what_is_there_is_kept_and_other_runs_are_refused(own, setting):
    again = own_runs(NAMES, setting)
    assert {name: [run.folder for run in runs] for name, runs in own.items()} == again
    with pytest.raises(RunError, match=r"holds another run: rounds is 2 there, 1 here; name another folder"):
        own_runs(["balanced"], setting._replace(rounds=1))


def test_names_are_those_of_the_catalogue_each_once():
    assert methods_of([]) == list(RECIPES)
    assert methods_of(["east", "star", "east"]) == ["east", "star"]
    with pytest.raises(RecipeError, match=r"no method is called 'eats'; nearest: 'east'; see: siwork recipes"):
        methods_of(["star", "eats"])
    name = next(iter(LACKING))
    with pytest.raises(RecipeError, match=r"cannot be played yet; it lacks"):
        methods_of([name])


def test_methods_that_need_a_language_model_say_so():
    assert {name for name in RECIPES if lacking(name)} == {"self-verified", "self-rewarding"}
    assert lacking("self-verified") == "needs a prompted model"


def test_the_command_plays_the_setting_that_is_documented():
    options = _parser().parse_args(["measure"])
    assert (options.rounds, range(options.seeds)) == (ROUNDS, Setting(options.folder).seeds)
    assert Sizes(options.problems, options.heldout, 0, options.samples) == SIZES
