/* The backend: what a connection's first bytes ask for, it does, until the other side ends. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
  enum work work;
  int hello_length;
  off_t offset;
  uint64_t received;
  unsigned char hello[HELLO_MAX];
};

static struct peer **peers;
static int poller, pattern;
/* It does not sleep while short connections come. */
static double awake_until;
static unsigned char buffer[1 << 18], reply[REPLY_BYTES];

static void end(int fd) {
  close(fd);
  free(peers[fd]);
  peers[fd] = NULL;
}

/* From a file in memory: what the backend spends on a byte is not the proxy's affair. A share at a
 * time, so that no stream waits for long. */
static bool download(int fd, struct peer *p) {
  p->offset %= PATTERN_BYTES;
  return sendfile(fd, pattern, &p->offset, PATTERN_BYTES / 4) >= 0 || errno == EAGAIN;
}

static bool begin(int fd, struct peer *p) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
  switch (p->work) {
    case WORK_DOWNLOAD:
      return epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event) == 0;
    case WORK_REPLY:
      awake_until = now_seconds() + 0.1;
      return send(fd, reply, sizeof reply, MSG_NOSIGNAL) == sizeof reply;
    case WORK_ECHO:
    case WORK_UPLOAD:
      return true;
  }
  return false;
}

static bool take(int fd, struct peer *p, const unsigned char *data, ssize_t n) {
  p->received += n;
  /* The messages are small and the other side waits for them: a short write is a fault. */
  if (p->work == WORK_ECHO && n > 0) return send(fd, data, n, MSG_NOSIGNAL) == n;
  return true;
}

/* Collects the hello; what came behind it is the stream's beginning. */
static bool greet(int fd, struct peer *p) {
  ssize_t n = recv(fd, p->hello + p->hello_length, HELLO_MAX - p->hello_length, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  p->hello_length += n;
  int need = 1;
  if (p->hello[0] == 0x16) {
    if (p->hello_length < 12) return true;
    need = 5 + p->hello[3] * 256 + p->hello[4];
    if (need > HELLO_MAX) return false;
    if (p->hello_length < need) return true;
    p->work = p->hello[11];
  } else {
    p->work = p->hello[0];
  }
  return begin(fd, p) && take(fd, p, p->hello + need, p->hello_length - need);
}

static bool readable(int fd, struct peer *p) {
  if (p->work == 0) return greet(fd, p);
  ssize_t n = recv(fd, buffer, sizeof buffer, p->work == WORK_UPLOAD ? MSG_TRUNC : 0);
  if (n == 0 && p->work == WORK_UPLOAD) send(fd, &p->received, sizeof p->received, MSG_NOSIGNAL);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  return take(fd, p, buffer, n);
}

static void accept_all(int listener) {
  for (int i = 0; i < 64; i++) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if ((peers[fd] = calloc(1, sizeof(struct peer))) == NULL) die("calloc");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
  }
}

int run_backend(const struct options *o) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  peers = calloc(files.rlim_max, sizeof *peers);
  unsigned char *bytes = malloc(PATTERN_BYTES);
  if (peers == NULL || bytes == NULL) die("memory");
  fill_pattern(bytes);
  pattern = memfd_create("pattern", MFD_CLOEXEC);
  if (pattern < 0 || write(pattern, bytes, PATTERN_BYTES) != PATTERN_BYTES) die("memfd");
  memset(reply, 'r', sizeof reply);

  poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event ready[256];
  int last_listener = 0;
  for (int i = 0; i < o->to_count; i++) {
    struct sockaddr_in address = o->to;
    address.sin_addr.s_addr = htonl(ntohl(address.sin_addr.s_addr) + i);
    last_listener = listen_on(address);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = last_listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, last_listener, &event) < 0) die("epoll_ctl");
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    bool awake = awake_until > 0 && now_seconds() < awake_until;
    int n = awake ? wait_awake(poller, ready, 256) : epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      struct peer *p = peers[fd];
      if (fd <= last_listener) accept_all(fd);
      else if ((ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !readable(fd, p)) end(fd);
      else if ((ready[i].events & EPOLLOUT) && !download(fd, p)) end(fd);
    }
  }
}
