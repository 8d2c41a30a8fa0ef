/*
 * A gRPC backend over h2c (RFC 9113) that answers every unary call alike, once its request has ended:
 * headers, one message, trailers. It need not understand the request's fields, so it decodes none.
 */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFACE_BYTES 24
#define FRAME_HEAD 9
#define FRAME_MAX 16384
#define WAITING_MAX 1024
#define MESSAGE 69

enum frame { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum flag { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

struct caller {
  bool greeted;
  int have;
  unsigned char in[PREFACE_BYTES + FRAME_HEAD + FRAME_MAX];
  /* What we may still send as DATA, and what we took without giving it back. */
  int64_t window, taken;
  /* Calls that wait for the window. */
  uint32_t waiting[WAITING_MAX];
  int first, count;
};

static struct caller **callers;
static int poller;
static unsigned char out[1 << 17];
static size_t out_length;

static void frame(enum frame type, int flags, uint32_t stream, const void *payload, size_t length) {
  unsigned char *p = out + out_length;
  p[0] = length >> 16, p[1] = length >> 8, p[2] = length;
  p[3] = type, p[4] = flags;
  p[5] = stream >> 24, p[6] = stream >> 16, p[7] = stream >> 8, p[8] = stream;
  memcpy(p + FRAME_HEAD, payload, length);
  out_length += FRAME_HEAD + length;
}

static void answer_waiting(struct caller *c) {
  /* :status 200 of the static table; content-type by its index there, not indexed. */
  static const char head[] = "\x88\x0f\x10\x10" "application/grpc";
  static const char tail[] = "\x00\x0b" "grpc-status" "\x01" "0";
  unsigned char message[MESSAGE] = {0, 0, 0, 0, MESSAGE - 5};
  memset(message + 5, 'g', MESSAGE - 5);
  while (c->count > 0 && c->window >= MESSAGE && out_length < sizeof out - 1024) {
    uint32_t stream = c->waiting[c->first];
    c->first = (c->first + 1) % WAITING_MAX;
    c->count--;
    c->window -= MESSAGE;
    frame(HEADERS, END_HEADERS, stream, head, sizeof head - 1);
    frame(DATA, 0, stream, message, MESSAGE);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, tail, sizeof tail - 1);
  }
}

static uint32_t number(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static bool take_frame(struct caller *c, const unsigned char *f, size_t length) {
  const unsigned char *payload = f + FRAME_HEAD;
  enum frame type = f[3];
  uint32_t stream = number(f + 5) & 0x7fffffff;
  if (type == SETTINGS && !(f[4] & ACK)) frame(SETTINGS, ACK, 0, "", 0);
  if (type == PING && !(f[4] & ACK) && length == 8) frame(PING, ACK, 0, payload, 8);
  if (type == WINDOW_UPDATE && stream == 0 && length == 4) c->window += number(payload) & 0x7fffffff;
  if (type == DATA && (c->taken += length) > FRAME_MAX) {
    unsigned char back[4] = {0, c->taken >> 16, c->taken >> 8, c->taken};
    frame(WINDOW_UPDATE, 0, 0, back, 4);
    c->taken = 0;
  }
  if ((type == DATA || type == HEADERS) && (f[4] & END_STREAM)) {
    if (c->count == WAITING_MAX) return false;
    c->waiting[(c->first + c->count++) % WAITING_MAX] = stream;
  }
  return true;
}

static bool readable(int fd, struct caller *c) {
  ssize_t n = recv(fd, c->in + c->have, sizeof c->in - c->have, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  c->have += n;
  int at = 0;
  out_length = 0;
  if (!c->greeted) {
    if (c->have < PREFACE_BYTES) return true;
    if (memcmp(c->in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE_BYTES) != 0) return false;
    c->greeted = true;
    at = PREFACE_BYTES;
    frame(SETTINGS, 0, 0, "", 0);
  }
  while (c->have - at >= FRAME_HEAD) {
    size_t length = number(c->in + at) >> 8;
    if (length > FRAME_MAX) return false;
    if ((size_t)(c->have - at) < FRAME_HEAD + length) break;
    if (!take_frame(c, c->in + at, length)) return false;
    at += FRAME_HEAD + length;
  }
  memmove(c->in, c->in + at, c->have - at);
  c->have -= at;
  answer_waiting(c);
  /* As many calls as a client has under way: they always fit the socket's buffer. */
  return out_length == 0 || send(fd, out, out_length, MSG_NOSIGNAL) == (ssize_t)out_length;
}

static void accept_one(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if ((callers[fd] = calloc(1, sizeof(struct caller))) == NULL) die("calloc");
  callers[fd]->window = 65535;
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

int run_grpc(const struct options *o) {
  long files = sysconf(_SC_OPEN_MAX);
  poller = epoll_create1(EPOLL_CLOEXEC);
  callers = calloc(files, sizeof *callers);
  if (poller < 0 || callers == NULL) die("memory");
  int listener = listen_on(o->to);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[256];
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
  puts("ready");
  fflush(stdout);
  for (;;) {
    int n = epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) accept_one(fd);
      else if (!readable(fd, callers[fd])) {
        close(fd);
        free(callers[fd]);
        callers[fd] = NULL;
      }
    }
  }
}
