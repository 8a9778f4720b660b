"""Settings that all tests share."""

from hypothesis import settings

collect_ignore = ["bench"]  # timings, run by `make bench`

# the machine may be busy, a slow example is no fault; the same examples everywhere: --hypothesis-profile=search draws new ones
settings.register_profile("siwork", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("siwork")
