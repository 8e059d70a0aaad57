"""The project's own HTTP load generator: closed and open loop, exact counts, this machine only.

`plan` says what to do, `reactor` does it in one thread with one epoll, `result` is what
came of it. Nothing here needs numpy or a terminal.
"""
