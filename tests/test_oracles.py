"""Agreement with reference values: every file, every case, every expected number, and nothing left unread.

The folder is tests/golden/oracles, or the one in the environment variable SIWORK_ORACLES.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from oracle_checks import CHECKERS, Fault, check_case, folder_cases, folder_faults

GOLDEN = Path(__file__).parent / "golden" / "oracles"
FOLDER = Path(os.environ.get("SIWORK_ORACLES") or GOLDEN)


@pytest.mark.parametrize(
    ("name", "tolerance", "case"),
    [pytest.param(*each, id=f"{each[0]}-{each[2]['id']}") for each in folder_cases(FOLDER)],
)
def test_case(name, tolerance, case):
    assert check_case(CHECKERS, name, tolerance, case) > 0


def test_every_file_of_the_folder_is_listed_present_and_read():
    assert folder_faults(FOLDER, CHECKERS) == []


def test_no_checker_is_idle():
    # a folder that lost files is no agreement: the shipped one has all that there are checkers for
    assert {file.stem for file in GOLDEN.glob("*.json")} - {"index"} == set(CHECKERS)


# ── the checks themselves, on doctored copies ─────────────────────────────────────────────────────────────────


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "oracles"))


def doctored(folder, name, change):
    """Apply a change to the data of one file of the folder."""
    data = json.loads((folder / name).read_text(encoding="utf-8"))
    change(data)
    (folder / name).write_text(json.dumps(data), encoding="utf-8")


def run(folder, name):
    """Compare all cases of one file."""
    for file, tolerance, case in folder_cases(folder):
        if file == name:
            check_case(CHECKERS, file, tolerance, case)


def test_an_unknown_file_is_a_fault(copy):
    shutil.copy(copy / "power.json", copy / "powers.json")
    assert folder_faults(copy, CHECKERS) == [
        "powers.json is present but not in the index",
        "powers.json has no checker",
    ]
    with pytest.raises(Fault, match=r"powers.json has no checker"):
        run(copy, "powers")
    doctored(copy, "index.json", lambda data: data["files"].append({"file": "powers.json", "n_cases": 4}))
    assert folder_faults(copy, CHECKERS) == ["powers.json has no checker"]


def test_a_listed_file_that_is_absent_is_a_fault(copy):
    (copy / "onset.json").unlink()
    assert folder_faults(copy, CHECKERS) == ["onset.json is in the index but absent"]


def test_a_file_that_the_index_does_not_list_is_a_fault(copy):
    doctored(copy, "index.json", lambda data: data.update(files=data["files"][1:]))
    assert folder_faults(copy, CHECKERS) == ["pass_at_k.json is present but not in the index"]
    (copy / "index.json").unlink()
    assert folder_faults(copy, CHECKERS)[0].startswith("no index.json")


def test_lost_or_doubled_cases_are_faults(copy):
    doctored(copy, "power.json", lambda data: data["cases"].pop())
    doctored(copy, "gini.json", lambda data: data["cases"][0].update(id=data["cases"][1]["id"]))
    doctored(copy, "onset.json", lambda data: data.update(cases=[], schema="other/2"))
    assert folder_faults(copy, CHECKERS) == [
        "gini.json has 10 cases, 9 different, the index says 10",
        "onset.json has the schema 'other/2', not 'siwork-oracle/1'",
        "onset.json has 0 cases, 0 different, the index says 4",
        "power.json has 3 cases, 3 different, the index says 4",
    ]


def last(data):
    return data["cases"][-1]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("inference", lambda d: last(d).update(kind="beta"), "unknown kind of case: 'beta'"),
        ("inference", lambda d: last(d).pop("kind"), "unknown kind of case: None"),
        ("power", lambda d: last(d)["inputs"].update(seed=1), "unknown kind of case: inputs .*'seed'"),
        ("power", lambda d: last(d)["inputs"].pop("power"), "unknown kind of case: inputs"),
        ("edge_policy", lambda d: last(d)["inputs"].update(seed=1), "unknown kind of case: inputs"),
        ("power", lambda d: last(d)["expected"].update(n_seeds=3), "power:p3:n_seeds: unknown expected key"),
        ("recursion_theory", lambda d: last(d)["expected"].update(kl=0.0), "bonkl_64:kl: unknown expected key"),
        ("brier_auc", lambda d: last(d)["expected"]["at_0.5"].update(mcc=0.0), "at_0.5/mcc: unknown expected key"),
        ("brier_auc", lambda d: last(d)["expected"].update(at_x=0.0), "at_x: unknown expected key"),
        ("brier_auc", lambda d: last(d)["expected"].update({"at_0.5": 0.0}), "at_0.5: a value where parts were known"),
        ("power", lambda d: last(d).update(expected={}), "power:p3:: a value where parts were known"),
        ("power", lambda d: last(d)["expected"].update(n_problems={}), "power:p3:n_problems: got .* expected {}"),
        ("power", lambda d: last(d).update(expected={"netcal_ece": 1.0}), "power:p3: nothing to compare"),
        ("power", lambda d: last(d).update(expected="error"), "power:p3:: a value where parts were known"),
        ("power", lambda d: d.update(tolerance={}), "unknown tolerance {}"),
        ("power", lambda d: d.update(tolerance={"ulp": 4}), "unknown tolerance"),
    ],
)
def test_what_nobody_knows_is_a_fault(copy, name, change, message):
    doctored(copy, f"{name}.json", change)
    with pytest.raises(Fault, match=message):
        run(copy, name)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("power", lambda e: e.update(n_problems=e["n_problems"] * (1 + 1e-8))),
        ("power", lambda e: e.update(n_problems=None)),
        ("power", lambda e: e.update(n_problems="inf")),
        ("power", lambda e: e.update(n_problems=True)),
        ("power", lambda e: e.update(n_problems=[e["n_problems"]])),
        ("onset", lambda e: e["cusum_down_k0_5"].pop()),
        ("onset", lambda e: e["cusum_down_k0_5"].append(0.0)),
        ("onset", lambda e: e["cusum_down_k0_5"].reverse() or e["cusum_down_k0_5"].__setitem__(0, 1e-6)),
        ("onset", lambda e: e.update(cusum_first_alarm_h4_round=4)),
        ("smooth_ece", lambda e: e.update(smece_fixed_point=e["smece_fixed_point"] + 0.002)),
        ("calibration_clustered", lambda e: e["bins"][1].update(gap=-e["bins"][1]["gap"])),
        ("calibration_clustered", lambda e: e["bins"].append(dict(e["bins"][0]))),
        ("inference", lambda e: e.update(wilson95=e["wilson95"][::-1])),
    ],
)
def test_a_number_that_differs_is_a_fault(copy, name, change):
    doctored(copy, f"{name}.json", lambda data: change(last(data)["expected"]))
    with pytest.raises(Fault, match=f"{name}:.*(got|unknown expected key)"):
        run(copy, name)


def test_words_that_differ_are_a_fault(copy):
    def change(data):
        for case in data["cases"]:
            if isinstance(case["expected"], str):
                case["expected"] = "error: of another kind"

    doctored(copy, "edge_policy.json", change)
    with pytest.raises(Fault, match="edge_policy:score_out_of_range:: got"):
        run(copy, "edge_policy")


def test_what_other_packages_say_is_not_compared(copy):
    doctored(copy, "calibration_error.json", lambda d: [c["expected"].update(netcal_ece=9.0) for c in d["cases"]])
    run(copy, "calibration_error")
