"""Signatures of the system calls of sockets (strace's %network)."""

TABLE = """
socket(family @family, type @socket_type, protocol @protocol) fd
socketpair(family @family, type @socket_type, protocol size, usockvec pair)
bind(fd fd, umyaddr address, addrlen int)
connect(fd fd, uservaddr address, addrlen int)
listen(fd fd, backlog int)
accept(fd fd, upeer_sockaddr sender, upeer_addrlen length) fd
accept4(fd fd, upeer_sockaddr sender, upeer_addrlen length, flags @socket_flags) fd
getsockname(fd fd, usockaddr sender, usockaddr_len length)
getpeername(fd fd, usockaddr sender, usockaddr_len length)
sendto(fd fd, buff data, len size, flags @message, addr address, addr_len int)
recvfrom(fd fd, ubuf received, size size, flags @message, addr sender, addr_len length)
sendmsg(fd fd, msg message, flags @message)
recvmsg(fd fd, msg inbox, flags @message)
sendmmsg(fd fd, mmsg pointer, vlen uint, flags @message)
recvmmsg(fd fd, mmsg pointer, vlen uint, flags @message, timeout timeout)
shutdown(fd fd, how @shutdown)
setsockopt(fd fd, level @level, optname option, optval value, optlen int)
getsockopt(fd fd, level @level, optname option, optval oldvalue, optlen valuelength)
"""
