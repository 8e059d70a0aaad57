"""Signatures of the system calls that work on descriptors (strace's %desc), but sockets."""

TABLE = """
read(fd fd, buf received, count size)
write(fd fd, buf data, count size)
pread64(fd fd, buf received, count size, pos long)
pwrite64(fd fd, buf data, count size, pos long)
readv(fd fd, vec filled, vlen size)
writev(fd fd, vec vectors, vlen size)
preadv(fd fd, vec filled, vlen size, pos long, pos_h high)
pwritev(fd fd, vec vectors, vlen size, pos long, pos_h high)
preadv2(fd fd, vec filled, vlen size, pos long, pos_h high, flags @rwf)
pwritev2(fd fd, vec vectors, vlen size, pos long, pos_h high, flags @rwf)
close(fd fd)
close_range(fd uint, max_fd uint, flags @close_range)
fstat(fd fd, statbuf status)
fstatfs(fd fd, buf pointer)
lseek(fd fd, offset long, whence @whence)
ioctl(fd fd, cmd control, arg controlled)
fcntl(fd fd, cmd @fcntl, arg commanded)
flock(fd fd, cmd @flock)
fsync(fd fd)
fdatasync(fd fd)
syncfs(fd fd)
ftruncate(fd fd, length size)
fallocate(fd fd, mode @fallocate, offset long, len long)
fadvise64(fd fd, offset long, len size, advice @fadvise)
readahead(fd fd, offset long, count size)
sync_file_range(fd fd, offset long, nbytes long, flags @sync_file_range)
cachestat(fd fd, cstat_range pointer, cstat pointer, flags hex32)
getdents(fd fd, dirent pointer, count uint)
getdents64(fd fd, dirent pointer, count uint)
fchdir(fd fd)
fchmod(fd fd, mode mode)
fchown(fd fd, user id, group id)
fsetxattr(fd fd, name string, value data, size size, flags @xattr)
fgetxattr(fd fd, name string, value received, size size)
flistxattr(fd fd, list received, size size)
fremovexattr(fd fd, name string)
dup(fildes fd) fd
dup2(oldfd fd, newfd fd) fd
dup3(oldfd fd, newfd fd, flags @open_only) fd
pipe(fildes pair)
pipe2(fildes pair, flags @open_only)
sendfile(out_fd fd, in_fd fd, offset moved, count size)
splice(fd_in fd, off_in at, fd_out fd, off_out also_at, len size, flags @splice)
tee(fdin fd, fdout fd, len size, flags @splice)
vmsplice(fd fd, uiov vectors, nr_segs size, flags @splice)
copy_file_range(fd_in fd, off_in at, fd_out fd, off_out also_at, len size, flags uint)
poll(ufds polled, nfds uint, timeout_msecs int) ready
ppoll(ufds polled, nfds uint, tsp timeout, sigmask signals, sigsetsize size) ready
select(n int, inp sets, outp set, exp set, tvp leftval) ready
pselect6(n int, inp sets, outp set, exp set, tsp left, sig pointer) ready
epoll_create(size int) fd
epoll_create1(flags @epoll_create) fd
epoll_ctl(epfd fd, op @epoll_ctl, fd fd, event event)
epoll_wait(epfd fd, events events, maxevents int, timeout int)
epoll_pwait(epfd fd, events events, maxevents int, timeout int, sigmask signals, sigsetsize size)
epoll_pwait2(epfd fd, events events, maxevents int, timeout time, sigmask signals, sigsetsize size)
eventfd(count uint) fd
eventfd2(count uint, flags @eventfd) fd
signalfd(ufd fd, user_mask signals, sizemask size) fd
signalfd4(ufd fd, user_mask signals, sizemask size, flags @signalfd) fd
timerfd_create(clockid @clock, flags @timerfd) fd
timerfd_settime(ufd fd, flags @timerfd, utmr timer, otmr oldtimer)
timerfd_gettime(ufd fd, otmr oldtimer)
inotify_init() fd
inotify_init1(flags @inotify_init) fd
inotify_rm_watch(fd fd, wd int)
fanotify_init(flags @fanotify_init, event_f_flags @open) fd
io_uring_setup(entries uint, params ring) fd
io_uring_enter(fd fd, to_submit uint, min_complete uint, flags @io_uring_enter, argp pointer, argsz size)
io_uring_register(fd fd, opcode @io_uring_register, arg pointer, nr_args uint)
memfd_create(uname string, flags @memfd) fd
memfd_secret(flags @memfd_secret) fd
userfaultfd(flags @userfaultfd) fd
perf_event_open(attr pointer, pid int, cpu int, group_fd fd, flags @perf_event_open) fd
bpf(cmd @bpf, uattr pointer, size uint)
open_by_handle_at(mountdirfd dir, handle pointer, flags @open) fd
fsopen(fs_name string, flags @fsopen) fd
fsconfig(fd fd, cmd @fsconfig, key string, value pointer, aux int)
fsmount(fs_fd fd, flags @fsmount, attr_flags @mount_attr) fd
setns(fd fd, flags @setns)
finit_module(fd fd, uargs string, flags @module_init)
kexec_file_load(kernel_fd fd, initrd_fd fd, cmdline_len size, cmdline_ptr data, flags hex)
quotactl_fd(fd fd, cmd hex32, id id, addr pointer)
pidfd_open(pid int, flags @pidfd_open) fd
pidfd_getfd(pidfd fd, fd number, flags hex32) fd
pidfd_send_signal(pidfd fd, sig signal, info pointer, flags hex32)
process_madvise(pidfd fd, vec pointer, vlen size, behavior @madvise, flags hex32)
process_mrelease(pidfd fd, flags hex32)
landlock_create_ruleset(attr pointer, size size, flags @landlock_create_ruleset) fd
landlock_add_rule(ruleset_fd fd, rule_type @landlock_rule, rule_attr pointer, flags hex32)
landlock_restrict_self(ruleset_fd fd, flags hex32)
mq_open(name string, oflag @open, mode created, attr pointer) fd
mq_timedsend(mqdes fd, msg_ptr data, msg_len size, msg_prio uint, abs_timeout time)
mq_timedreceive(mqdes fd, msg_ptr received, msg_len size, msg_prio pointer, abs_timeout time)
mq_notify(mqdes fd, notification pointer)
mq_getsetattr(mqdes fd, mqstat pointer, omqstat pointer)
mq_unlink(name string)
"""
