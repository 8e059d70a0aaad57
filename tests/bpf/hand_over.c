/* A server whose chain of wake-ups is known: a network thread reads, hands over through a queue with a
 * condition variable, a worker answers, tells it to a loop through an eventfd, and the loop writes.
 * Prints its port, then one JSON object for each request: who did what when (CLOCK_MONOTONIC). It serves
 * one connection, ends with it, and works for about argv[1] microseconds on each request. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

enum { READ, SIGNALLED, TAKEN, TOLD, HEARD, ANSWERED, MOMENTS };
static const char *const names[MOMENTS] = {"read", "signalled", "taken", "told", "heard", "answered"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int queued, ended, notice, connection;
static uint64_t moment[MOST][MOMENTS], work_ns;
static long thread_of[MOMENTS];

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void note(int request, int what)
{
	moment[request][what] = now();
	thread_of[what] = syscall(SYS_gettid);
}

static void *worker(void *unused)
{
	(void)unused;
	for (int request = 0;; request++) {
		pthread_mutex_lock(&lock);
		while (queued <= request && !ended)
			pthread_cond_wait(&filled, &lock);
		int over = queued <= request;
		pthread_mutex_unlock(&lock);
		if (over)
			return NULL;
		note(request, TAKEN);
		for (uint64_t until = now() + work_ns; now() < until;)
			;
		note(request, TOLD);
		if (write(notice, &(uint64_t){1}, 8) != 8)
			abort();
	}
}

static void *loop(void *unused)
{
	(void)unused;
	int instance = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 77};
	epoll_ctl(instance, EPOLL_CTL_ADD, notice, &event);
	for (int request = 0;;) {
		if (epoll_wait(instance, &event, 1, -1) != 1)
			continue;
		uint64_t count;
		if (read(notice, &count, 8) != 8 || count > 1000000)
			return NULL;
		for (; count; count--, request++) {
			note(request, HEARD);
			if (send(connection, "answer", 6, MSG_NOSIGNAL) != 6)
				return NULL;
			note(request, ANSWERED);
		}
	}
}

int main(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	pthread_t threads[2];
	char text[64];
	int request = 0;

	work_ns = count > 1 ? strtoull(arguments[1], NULL, 10) * 1000 : 0;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (void *)&address, &length))
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	notice = eventfd(0, 0);
	connection = accept(listener, NULL, NULL);
	pthread_create(&threads[0], NULL, worker, NULL);
	pthread_create(&threads[1], NULL, loop, NULL);
	while (request < MOST && recv(connection, text, sizeof(text), 0) > 0) {
		note(request, READ);
		pthread_mutex_lock(&lock);
		queued = ++request;
		pthread_mutex_unlock(&lock);
		pthread_cond_signal(&filled);
		note(request - 1, SIGNALLED);
	}
	pthread_mutex_lock(&lock);
	ended = 1;
	pthread_mutex_unlock(&lock);
	pthread_cond_signal(&filled);
	pthread_join(threads[0], NULL);
	if (write(notice, &(uint64_t){1000001}, 8) != 8)
		return 1;
	pthread_join(threads[1], NULL);
	for (int each = 0; each < request; each++) {
		printf("{\"request\": %d", each + 1);
		for (int what = 0; what < MOMENTS; what++)
			printf(", \"%s\": {\"ns\": %" PRIu64 ", \"tid\": %ld}", names[what], moment[each][what],
			       thread_of[what]);
		printf("}\n");
	}
	return 0;
}
