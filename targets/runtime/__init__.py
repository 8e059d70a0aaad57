"""A hand-made executor for coroutines: M tasks on N threads, as the runtimes of Rust do it.

To be read in this order: `future` (poll: ready or pending), `waker` (who is to be told),
`task` (a coroutine that is polled), `queue` (which thread polls it: own deques, stealing,
parking), `poller` and `timers` (what wakes from outside: readiness, time), `lock`
(waiting for another task), `executor` (all of it together).
"""
