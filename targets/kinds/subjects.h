/* Every subject: what it shows is written at its definition. */
#ifndef KINDS_SUBJECTS_H
#define KINDS_SUBJECTS_H

struct truth;

#define SUBJECTS(_)                                                                            \
    _(nop)                                                                                     \
    _(files)                                                                                   \
    _(sockets)                                                                                 \
    _(links)                                                                                   \
    _(broken_links)                                                                            \
    _(drain)                                                                                   \
    _(multishot_accept)                                                                        \
    _(multishot_recv)                                                                          \
    _(multishot_poll)                                                                          \
    _(multishot_timeout)                                                                       \
    _(multishot_read)                                                                          \
    _(skip)                                                                                    \
    _(cancel)                                                                                  \
    _(polls)                                                                                   \
    _(timeouts)                                                                                \
    _(zerocopy)                                                                                \
    _(fixed_files)                                                                             \
    _(fixed_buffers)                                                                           \
    _(provided_buffers)                                                                        \
    _(buffer_ring)                                                                             \
    _(overflow)                                                                                \
    _(overflow_io_wq)                                                                          \
    _(overflow_multishot)                                                                      \
    _(sqpoll)                                                                                  \
    _(defer_taskrun)                                                                           \
    _(iopoll)                                                                                  \
    _(io_wq)                                                                                   \
    _(poll_retry)                                                                              \
    _(msg_ring)                                                                                \
    _(large_entries)                                                                           \
    _(many_rings)                                                                              \
    _(reuse)                                                                                   \
    _(shared_user_data)                                                                        \
    _(rejected)                                                                                \
    _(recent)                                                                                  \
    _(in_flight)                                                                               \
    _(exit_in_flight)

#define DECLARE_SUBJECT(name) void subject_##name(struct truth *truth);
SUBJECTS(DECLARE_SUBJECT)
#undef DECLARE_SUBJECT

#endif
