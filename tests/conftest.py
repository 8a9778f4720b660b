"""Settings that all tests share."""

from hypothesis import settings

collect_ignore = ["bench"]  # timings, run by `make bench`

settings.register_profile("siwork", deadline=None)  # the machine may be busy; a slow example is no fault
settings.load_profile("siwork")
