"""What threads waited for and what ended the wait: epoll, poll, select, futex.

`calls` says which opcodes are meant, `waits` reads what the kernel reported as ready,
`interest` what was asked for, `resolve` joins the two, `wakers` says who caused it.
"""
