"""What the servers that wait for readiness share: select, poll, epoll and epoll-workers.

They differ in the call that waits (`mechanisms`) alone: the loop around it, what a connection
does when it may read or write, and the deadlines are the same.
"""
