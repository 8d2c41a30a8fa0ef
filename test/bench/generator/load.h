/*
 * The load generator and backend of the bench: one process, one thread, epoll, no allocation per
 * operation. Shared by its files: options, sockets, the ClientHello, the histogram, the result.
 */
#ifndef LOAD_H
#define LOAD_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define REPLY_BYTES 64
#define MESSAGE_BYTES 64
#define PATTERN_BYTES (1 << 20)
#define HELLO_MAX 1024

/* What the backend does with a connection: the first byte of the ClientHello's random, or, where TLS
 * ended before it, the first byte of the stream. */
enum work { WORK_DOWNLOAD = 'd', WORK_UPLOAD = 'u', WORK_REPLY = 'c', WORK_ECHO = 'p' };

struct options {
  const char *mode;
  /* The backend listens on `to_count` addresses from here on. */
  struct sockaddr_in to;
  int to_count;
  /* First of `from_count` source addresses that connections take in turn: ports never run out. */
  uint32_t from;
  int from_count;
  int parallel;
  double seconds;
  /* Names of the ClientHello, in turn: `sni` as it is, or `%d` in it counts from 0 to sni_count - 1. */
  const char *sni;
  int sni_count;
  bool resume;
  /* Ping-pong: at most one message a connection in this time; 0: as fast as it goes. */
  double every_ms;
};

struct result {
  uint64_t ops, bytes, errors, resumed;
  double seconds;
};

double now_seconds(void);
/* epoll_wait that asks until there is something, for 100 ms at most, and lets others run meanwhile. Who
 * sleeps is woken by whoever sends to him: on a virtual machine that costs the sender several times as
 * much as the sending, and the slower proxy more often, whose load has time to fall asleep. */
int wait_awake(int poller, struct epoll_event *ready, int max);
void die(const char *what);

int listen_on(struct sockaddr_in address);
/* Non-blocking, from the next source address; -1: errno says why. */
int connect_next(const struct options *o);
/* Length of the hello written to `out` (HELLO_MAX bytes). */
size_t client_hello(unsigned char *out, enum work work, const struct options *o);

/* Byte at `offset` of every download. */
void fill_pattern(unsigned char *out);

void record_us(double us);
void print_result(const struct result *r);

int run_backend(const struct options *o);
int run_grpc(const struct options *o);
int run_bulk(const struct options *o);
int run_connections(const struct options *o);
int run_pingpong(const struct options *o);
int run_idle(const struct options *o);
int run_handshakes(const struct options *o);
#endif
