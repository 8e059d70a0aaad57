/* io_uring constants that liburing 2.3 (Debian 12) does not know yet.
 *
 * Values are ABI, from include/uapi/linux/io_uring.h. Opcodes are enumerators there, which
 * the preprocessor cannot test for, so they get names of their own here.
 */
#ifndef KINDS_NEWER_H
#define KINDS_NEWER_H

enum {
    OP_READ_MULTISHOT = 49,
    OP_FUTEX_WAKE = 52,
    OP_FIXED_FD_INSTALL = 54,
    OP_FTRUNCATE = 55,
    OP_BIND = 56,
    OP_LISTEN = 57,
    OP_PIPE = 62,
};

#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#endif
#ifndef IORING_NOTIF_USAGE_ZC_COPIED
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif
#ifndef IORING_TIMEOUT_MULTISHOT
#define IORING_TIMEOUT_MULTISHOT (1U << 6)
#endif
#ifndef IORING_MSG_RING_FLAGS_PASS
#define IORING_MSG_RING_FLAGS_PASS (1U << 1)
#endif
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif
#ifndef IORING_URING_CMD_FIXED
#define IORING_URING_CMD_FIXED (1U << 0)
#endif

#define SOCKET_COMMAND_BYTES_TO_READ 0 /* SOCKET_URING_OP_SIOCINQ */

#endif
