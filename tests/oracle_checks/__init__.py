"""Reference values: what each file of a folder of them must agree with, and what may not go unread."""

from oracle_checks import calibration, collapse, diversity, edges, performance, tail, uncertainty
from oracle_checks.harness import Checker, Fault, check_case, folder_cases, folder_faults

CHECKERS: dict[str, Checker] = {
    **performance.CHECKERS,
    **diversity.CHECKERS,
    **tail.CHECKERS,
    **calibration.CHECKERS,
    **collapse.CHECKERS,
    **uncertainty.CHECKERS,
    **edges.CHECKERS,
}

__all__ = ["CHECKERS", "Checker", "Fault", "check_case", "folder_cases", "folder_faults"]
