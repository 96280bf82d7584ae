"""Tests mirror the two trees. A property may take its time: on a busy machine the clock proves nothing."""

from hypothesis import settings

settings.register_profile("vitrine", deadline=None)
settings.load_profile("vitrine")
