"""Claims of the literature in miniature: what is played, the rule written down before, and the verdict over seeds."""

from siwork.claims.catalogue import CLAIMS as CLAIMS
from siwork.claims.claim import Claim as Claim
from siwork.claims.deciding import VERDICTS as VERDICTS
from siwork.claims.table import shipped_verdicts as shipped_verdicts
from siwork.claims.words import asked as asked
from siwork.claims.words import told as told
