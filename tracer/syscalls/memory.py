"""Signatures of the system calls about memory, and of System V's shared objects."""

TABLE = """
mmap(addr pointer, len size, prot @protection, flags @map, fd fd, off hex) pointer
mprotect(start pointer, len size, prot @protection)
pkey_mprotect(start pointer, len size, prot @protection, pkey int)
pkey_alloc(flags hex, init_val @pkey)
pkey_free(pkey int)
munmap(addr pointer, len size)
brk(brk pointer) pointer
mremap(addr pointer, old_len size, new_len size, flags @mremap, new_addr pointer) pointer
msync(start pointer, len size, flags @msync)
mincore(start pointer, len size, vec pointer)
madvise(start pointer, len_in size, behavior @madvise)
mlock(start pointer, len size)
mlock2(start pointer, len size, flags @mlock)
munlock(start pointer, len size)
mlockall(flags @mlockall)
munlockall()
mseal(start pointer, len size, flags hex)
map_shadow_stack(addr pointer, size size, flags hex32) pointer
remap_file_pages(start pointer, size size, prot @protection, pgoff size, flags @map)
mbind(start pointer, len size, mode @memory_policy_64, nmask pointer, maxnode size, flags @mbind)
set_mempolicy(mode @memory_policy, nmask pointer, maxnode size)
get_mempolicy(policy pointer, nmask pointer, maxnode size, addr pointer, flags @get_mempolicy)
set_mempolicy_home_node(start pointer, len size, home_node size, flags hex)
migrate_pages(pid int, maxnode size, old_nodes pointer, new_nodes pointer)
move_pages(pid int, nr_pages size, pages pointer, nodes pointer, status pointer, flags @move_pages)
shmget(key hex32, size size, shmflg hex32)
shmat(shmid int, shmaddr pointer, shmflg hex32) pointer
shmdt(shmaddr pointer)
shmctl(shmid int, cmd hex32, buf pointer)
semget(key hex32, nsems int, semflg hex32)
semop(semid int, tsops pointer, nsops uint)
semtimedop(semid int, tsops pointer, nsops uint, timeout time)
semctl(semid int, semnum int, cmd hex32, arg pointer)
msgget(key hex32, msgflg hex32)
msgsnd(msqid int, msgp data, msgsz size, msgflg @message_queue)
msgrcv(msqid int, msgp received, msgsz size, msgtyp long, msgflg @message_queue)
msgctl(msqid int, cmd hex32, buf pointer)
io_setup(nr_reqs uint, ctxp pointer)
io_destroy(ctx pointer)
io_submit(ctx_id pointer, nr long, iocbpp pointer)
io_cancel(ctx_id pointer, iocb pointer, result pointer)
io_getevents(ctx_id pointer, min_nr long, nr long, events pointer, timeout time)
io_pgetevents(ctx_id pointer, min_nr long, nr long, events pointer, timeout time, usig pointer)
"""
