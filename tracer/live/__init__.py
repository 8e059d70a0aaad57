"""A capture as it goes on: pictures of one moment each, for screens.

Pure but for the feeds, which read a capture or a recording at the speed of a clock.
"""
