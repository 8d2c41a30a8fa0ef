/* The loads without TLS of their own: bulk, connections, ping-pong, idle. Each ends by itself. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct slot {
  int fd;
  bool greeted, waiting;
  double since;
  uint64_t received;
  unsigned char message[MESSAGE_BYTES];
  int have;
};

static int poller;
static struct slot *slots;
static struct result result;
static unsigned char buffer[1 << 18], pattern[PATTERN_BYTES];

static void watch(int index, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u32 = index};
  if (epoll_ctl(poller, how, slots[index].fd, &event) < 0) die("epoll_ctl");
}

static void open_slot(const struct options *o, int index) {
  struct slot *s = &slots[index];
  memset(s, 0, sizeof *s);
  s->since = now_seconds();
  if ((s->fd = connect_next(o)) < 0) die("connect");
  watch(index, EPOLL_CTL_ADD, EPOLLOUT);
}

/* The connection stands: says hello, and asks for `work`. False: it failed. */
static bool greet(const struct options *o, int index, enum work work) {
  unsigned char hello[HELLO_MAX];
  ssize_t length = client_hello(hello, work, o);
  if (send(slots[index].fd, hello, length, MSG_NOSIGNAL) != length) return false;
  slots[index].greeted = true;
  watch(index, EPOLL_CTL_MOD, EPOLLIN);
  return true;
}

static void start(const struct options *o) {
  poller = epoll_create1(EPOLL_CLOEXEC);
  slots = calloc(o->parallel, sizeof *slots);
  if (poller < 0 || slots == NULL) die("memory");
  for (int i = 0; i < o->parallel; i++) open_slot(o, i);
}

/* One download read in sixteen is copied and compared; the others are counted and thrown away. */
static bool download(struct slot *s) {
  static unsigned turn;
  bool compare = turn++ % 16 == 0;
  ssize_t n = recv(s->fd, buffer, sizeof buffer, compare ? 0 : MSG_TRUNC);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  for (ssize_t i = 0; compare && i < n; i += 61)
    if (buffer[i] != pattern[(s->received + i) % PATTERN_BYTES]) return false;
  s->received += n;
  result.bytes += n;
  return true;
}

int run_bulk(const struct options *o) {
  fill_pattern(pattern);
  start(o);
  double begin = now_seconds(), until = begin + o->seconds;
  struct epoll_event ready[256];
  while (now_seconds() < until) {
    int n = epoll_wait(poller, ready, 256, 100);
    for (int i = 0; i < n; i++) {
      struct slot *s = &slots[ready[i].data.u32];
      if (s->greeted ? download(s) : greet(o, ready[i].data.u32, WORK_DOWNLOAD)) continue;
      result.errors++;
      epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
    }
  }
  result.seconds = now_seconds() - begin;
  /* A stream that gave nothing is no stream. */
  for (int i = 0; i < o->parallel; i++) result.errors += slots[i].received == 0;
  result.ops = result.bytes;
  print_result(&result);
  return 0;
}

/* True once the whole reply is there. */
static bool reply(struct slot *s, bool *failed) {
  ssize_t n = recv(s->fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EAGAIN) return false;
  for (ssize_t i = 0; i < n; i++) *failed |= buffer[i] != 'r';
  s->have += n > 0 ? n : 0;
  *failed |= n <= 0 || s->have > REPLY_BYTES;
  return s->have == REPLY_BYTES;
}

int run_connections(const struct options *o) {
  start(o);
  double begin = now_seconds(), until = begin + o->seconds;
  struct epoll_event ready[256];
  while (now_seconds() < until) {
    int n = wait_awake(poller, ready, 256);
    for (int i = 0; i < n; i++) {
      int index = ready[i].data.u32;
      struct slot *s = &slots[index];
      bool failed = false, done = false;
      if (s->greeted) done = reply(s, &failed);
      else failed = !greet(o, index, WORK_REPLY);
      if (!done && !failed) continue;
      if (failed) result.errors++;
      else {
        result.ops++;
        record_us((now_seconds() - s->since) * 1e6);
      }
      close(s->fd);
      open_slot(o, index);
    }
  }
  result.seconds = now_seconds() - begin;
  print_result(&result);
  return 0;
}

static bool send_message(struct slot *s, int index, double now) {
  static uint64_t turn;
  turn++;
  memset(s->message, index, sizeof s->message);
  memcpy(s->message, &turn, sizeof turn);
  s->have = 0;
  s->since = now;
  s->waiting = true;
  return send(s->fd, s->message, sizeof s->message, MSG_NOSIGNAL) == sizeof s->message;
}

static bool take_message(struct slot *s, int index, bool pace) {
  unsigned char *have = buffer;
  ssize_t n = recv(s->fd, have, MESSAGE_BYTES - s->have, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  if (memcmp(have, s->message + s->have, n) != 0) return false;
  s->have += n;
  if (s->have < MESSAGE_BYTES) return true;
  double now = now_seconds();
  record_us((now - s->since) * 1e6);
  result.ops++;
  s->waiting = false;
  return pace || send_message(s, index, now);
}

int run_pingpong(const struct options *o) {
  start(o);
  bool pace = o->every_ms > 0;
  double begin = now_seconds(), until = begin + o->seconds;
  struct epoll_event ready[256];
  for (double now = begin; now < until; now = now_seconds()) {
    int n = epoll_wait(poller, ready, 256, pace ? 1 : 100);
    for (int i = 0; i < n; i++) {
      int index = ready[i].data.u32;
      struct slot *s = &slots[index];
      bool fine = s->greeted ? take_message(s, index, pace)
                             : greet(o, index, WORK_ECHO) && send_message(s, index, now_seconds());
      if (fine) continue;
      result.errors++;
      epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
      s->greeted = false;
    }
    if (!pace) continue;
    now = now_seconds();
    for (int i = 0; i < o->parallel; i++) {
      struct slot *s = &slots[i];
      if (s->greeted && !s->waiting && now - s->since >= o->every_ms / 1e3 && !send_message(s, i, now)) die("send");
    }
  }
  result.seconds = now_seconds() - begin;
  /* What waits at the end waits since then at least: a stalled proxy may not look fast. */
  for (int i = 0; i < o->parallel; i++)
    if (slots[i].greeted && slots[i].waiting) record_us((now_seconds() - slots[i].since) * 1e6);
  print_result(&result);
  return 0;
}

/* Opens all, 64 at a time; says how many stand, and holds them until its input ends. */
int run_idle(const struct options *o) {
  poller = epoll_create1(EPOLL_CLOEXEC);
  slots = calloc(o->parallel, sizeof *slots);
  if (poller < 0 || slots == NULL) die("memory");
  int opened = 0, settled = 0;
  double until = now_seconds() + o->seconds;
  struct epoll_event ready[256];
  while (settled < o->parallel && now_seconds() < until) {
    while (opened < o->parallel && opened - settled < 64) open_slot(o, opened++);
    int n = epoll_wait(poller, ready, 256, 100);
    for (int i = 0; i < n; i++) {
      int index = ready[i].data.u32;
      struct slot *s = &slots[index];
      bool failed = false, done = false;
      if (s->greeted) done = reply(s, &failed);
      else failed = !greet(o, index, WORK_REPLY);
      if (!done && !failed) continue;
      result.ops += !failed;
      result.errors += failed;
      settled++;
      epoll_ctl(poller, EPOLL_CTL_DEL, s->fd, NULL);
    }
  }
  result.errors += o->parallel - settled;
  print_result(&result);
  fflush(stdout);
  while (read(0, buffer, sizeof buffer) > 0) continue;
  return 0;
}
