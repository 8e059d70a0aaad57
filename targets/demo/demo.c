/* demo: a small server on io_uring, for `make demo`.
 *
 * For about two seconds it answers clients over loopback TCP the way io_uring servers do: one
 * multishot accept, one multishot receive per connection with buffers the kernel picks, and
 * for each request a read from a data file, a line to a log file (a worker thread's business on
 * most file systems) and the answer. A timer syncs the log ten times a second. The clients are
 * plain threads of the same process. At the end it says what it did.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 4
#define REQUESTS_EACH 350
#define PAUSE_NS 5000000
#define MESSAGE_SIZE 64
#define DATA_SIZE (1 << 20)
#define BUFFERS 64
#define BUFFER_GROUP 1

/* What a completion is about: the top byte of its user_data; below it the descriptor. */
enum event { ACCEPTED = 1, RECEIVED, SENT, READ_DATA, LOGGED, SYNCED, TICK };

static struct {
    unsigned connections, requests, answers, reads, lines, syncs, ticks, errors;
} did;

static struct io_uring ring;
static struct io_uring_buf_ring *buffers;
static char buffer_memory[BUFFERS][MESSAGE_SIZE];
static char block[4096], answer[MESSAGE_SIZE] = "pong";
static int data_file, log_file, listener;
static struct sockaddr_in address;

static void fail(const char *what, int error)
{
    fprintf(stderr, "demo: %s: %s\n", what, strerror(error));
    exit(1);
}

static struct io_uring_sqe *next_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void label(struct io_uring_sqe *sqe, enum event event, int fd)
{
    sqe->user_data = (unsigned long long)event << 56 | (unsigned)fd;
}

static void give_buffer(unsigned id)
{
    io_uring_buf_ring_add(buffers, buffer_memory[id], MESSAGE_SIZE, id,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(buffers, 1);
}

static void accept_connections(void)
{
    struct io_uring_sqe *sqe = next_sqe();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
    label(sqe, ACCEPTED, listener);
}

static void receive_from(int fd)
{
    struct io_uring_sqe *sqe = next_sqe();
    io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    sqe->ioprio = IORING_RECV_MULTISHOT;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    label(sqe, RECEIVED, fd);
}

static void start_timer(void)
{
    static struct __kernel_timespec tick = {.tv_nsec = 100000000};
    struct io_uring_sqe *sqe = next_sqe();
    io_uring_prep_timeout(sqe, &tick, 0, 0);
    label(sqe, TICK, 0);
}

static void sync_log(void)
{
    struct io_uring_sqe *sqe = next_sqe();
    io_uring_prep_fsync(sqe, log_file, IORING_FSYNC_DATASYNC);
    label(sqe, SYNCED, log_file);
}

static void serve_request(int fd)
{
    static unsigned long long offset;
    static const char line[] = "request\n";
    offset = (offset + 37 * sizeof(block)) % DATA_SIZE;

    struct io_uring_sqe *sqe = next_sqe();
    io_uring_prep_read(sqe, data_file, block, sizeof(block), offset);
    label(sqe, READ_DATA, data_file);

    sqe = next_sqe();
    io_uring_prep_write(sqe, log_file, line, sizeof(line) - 1, -1);
    label(sqe, LOGGED, log_file);

    sqe = next_sqe();
    io_uring_prep_send(sqe, fd, answer, sizeof(answer), MSG_NOSIGNAL);
    label(sqe, SENT, fd);
}

/* True while the server has something to wait for. */
static bool handle(const struct io_uring_cqe *cqe)
{
    static unsigned closed;
    enum event event = cqe->user_data >> 56;
    int fd = (int)cqe->user_data;
    bool expired = event == TICK && cqe->res == -ETIME;
    if (cqe->res < 0 && !expired)
        did.errors++;
    switch (event) {
    case ACCEPTED:
        if (cqe->res < 0)
            fail("multishot accept", -cqe->res);
        did.connections++;
        receive_from(cqe->res);
        break;
    case RECEIVED:
        if (cqe->flags & IORING_CQE_F_BUFFER)
            give_buffer(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        if (cqe->res > 0) {
            did.requests++;
            serve_request(fd);
        }
        if (cqe->flags & IORING_CQE_F_MORE)
            break;
        if (cqe->res > 0 || cqe->res == -ENOBUFS) {
            receive_from(fd);
        } else {
            close(fd);
            closed++;
        }
        break;
    case SENT:
        did.answers++;
        break;
    case READ_DATA:
        did.reads++;
        break;
    case LOGGED:
        did.lines++;
        break;
    case SYNCED:
        did.syncs++;
        break;
    case TICK:
        did.ticks++;
        sync_log();
        start_timer();
        break;
    }
    return closed < CLIENTS || did.lines < did.requests || did.syncs < did.ticks;
}

static void serve(void)
{
    accept_connections();
    start_timer();
    for (bool working = true; working;) {
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        int error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR)
            fail("io_uring_enter", -error);
        io_uring_for_each_cqe(&ring, head, cqe) {
            working = handle(cqe);
            seen++;
        }
        io_uring_cq_advance(&ring, seen);
    }
}

static void *client(void *unused)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    char message[MESSAGE_SIZE] = "ping";
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
        fail("connect", errno);
    for (int i = 0; i < REQUESTS_EACH; i++) {
        if (send(fd, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message) ||
            recv(fd, message, sizeof(message), MSG_WAITALL) != sizeof(message))
            fail("the server's answer", errno);
        nanosleep(&pause, NULL);
    }
    close(fd);
    return unused;
}

static int scratch_file(size_t size)
{
    FILE *file = tmpfile();
    if (!file || ftruncate(fileno(file), size))
        fail("temporary file", errno);
    return fileno(file);
}

static void set_up(void)
{
    int error = io_uring_queue_init(256, &ring, 0);
    if (error)
        fail("io_uring_setup", -error);
    if (posix_memalign((void **)&buffers, 4096, BUFFERS * sizeof(struct io_uring_buf)))
        fail("memory", ENOMEM);
    struct io_uring_buf_reg request = {
        .ring_addr = (unsigned long)buffers, .ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
    error = io_uring_register_buf_ring(&ring, &request, 0);
    if (error)
        fail("buffer rings (Linux 5.19)", -error);
    io_uring_buf_ring_init(buffers);
    for (unsigned id = 0; id < BUFFERS; id++)
        give_buffer(id);

    data_file = scratch_file(DATA_SIZE);
    log_file = scratch_file(0);
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) ||
        listen(listener, CLIENTS) || getsockname(listener, (struct sockaddr *)&address, &length))
        fail("listening on 127.0.0.1", errno);
}

int main(void)
{
    pthread_t clients[CLIENTS];
    set_up();
    for (int i = 0; i < CLIENTS; i++)
        if (pthread_create(&clients[i], NULL, client, NULL))
            fail("thread", EAGAIN);
    serve();
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    printf("demo: %u connections, %u requests, %u answers, %u reads, %u log lines, %u syncs, "
           "%u ticks, %u errors\n",
           did.connections, did.requests, did.answers, did.reads, did.lines, did.syncs, did.ticks,
           did.errors);
    io_uring_queue_exit(&ring);
    return did.errors ? 1 : 0;
}
