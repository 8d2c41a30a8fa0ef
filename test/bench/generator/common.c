/* Sockets, the ClientHello, the latency histogram and the result line. */
#define _GNU_SOURCE
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int wait_awake(int poller, struct epoll_event *ready, int max) {
  double until = now_seconds() + 0.1;
  for (;;) {
    int n = epoll_wait(poller, ready, max, 0);
    if (n != 0 || now_seconds() >= until) return n;
    sched_yield();
  }
}

void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

int listen_on(struct sockaddr_in address) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(fd, 4096) < 0) die("listen");
  return fd;
}

int connect_next(const struct options *o) {
  static uint32_t turn;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (o->from_count > 0) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(o->from + turn++ % o->from_count);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) goto failed;
  }
  if (connect(fd, (const struct sockaddr *)&o->to, sizeof o->to) < 0 && errno != EINPROGRESS) goto failed;
  return fd;
failed:
  close(fd);
  return -1;
}

static unsigned char *put16(unsigned char *p, unsigned value) {
  *p++ = value >> 8;
  *p++ = value;
  return p;
}

/* A TLS 1.3 hello as OpenSSL 3.0 makes it, padded to its 391 bytes. */
size_t client_hello(unsigned char *out, enum work work, const struct options *o) {
  static const unsigned char fixed[] = {
      0x00, 0x0b, 0, 4, 3, 0, 1, 2,                                     /* ec_point_formats */
      0x00, 0x0a, 0, 4, 0, 2, 0, 0x1d,                                  /* supported_groups: X25519 */
      0x00, 0x23, 0, 0,                                                 /* session_ticket */
      0x00, 0x16, 0, 0, 0x00, 0x17, 0, 0,                               /* encrypt_then_mac, ems */
      0x00, 0x0d, 0, 8, 0, 6, 4, 3, 8, 4, 8, 7,                         /* signature_algorithms */
      0x00, 0x2b, 0, 5, 4, 3, 4, 3, 3,                                  /* supported_versions */
      0x00, 0x2d, 0, 2, 1, 1,                                           /* psk_key_exchange_modes */
      0x00, 0x33, 0, 38, 0, 36, 0, 0x1d, 0, 32,                         /* key_share, then 32 bytes */
  };
  static uint32_t turn;
  char name[256];
  int length = snprintf(name, sizeof name, o->sni, o->sni_count > 0 ? (int)(turn++ % o->sni_count) : 0);
  unsigned char *p = out + 9;
  p = put16(p, 0x0303);
  *p++ = work;
  for (int i = 1; i < 32; i++) *p++ = rand();
  *p++ = 32;
  for (int i = 0; i < 32; i++) *p++ = rand();
  p = put16(p, 6);
  p = put16(put16(put16(p, 0x1301), 0x1302), 0x1303);
  *p++ = 1;
  *p++ = 0;
  unsigned char *extensions = p;
  p = put16(p + 2, 0);
  p = put16(p, length + 5);
  p = put16(p, length + 3);
  *p++ = 0;
  p = put16(p, length);
  memcpy(p, name, length);
  p += length;
  memcpy(p, fixed, sizeof fixed);
  p += sizeof fixed;
  for (int i = 0; i < 32; i++) *p++ = rand();
  if (p + 4 - out < 391) {
    size_t padding = 391 - (p + 4 - out);
    p = put16(put16(p, 0x0015), padding);
    memset(p, 0, padding);
    p += padding;
  }
  put16(extensions, p - extensions - 2);
  out[0] = 0x16;
  put16(out + 1, 0x0301);
  put16(out + 3, p - out - 5);
  out[5] = 1;
  out[6] = 0;
  put16(out + 7, p - out - 9);
  return p - out;
}

void fill_pattern(unsigned char *out) {
  for (size_t i = 0; i < PATTERN_BYTES; i++) out[i] = (i * 2654435761u) >> 13;
}

/* Latencies: 1 us apart up to a tenth of a second, 1 ms apart above. */
#define FINE 100000
#define COARSE 20000
static uint32_t fine[FINE], coarse[COARSE];
static uint64_t recorded;
static double longest;

void record_us(double us) {
  recorded++;
  if (us > longest) longest = us;
  if (us < FINE) fine[(int)us]++;
  else coarse[us / 1000 < COARSE ? (int)(us / 1000) : COARSE - 1]++;
}

static double percentile(double share) {
  uint64_t seen = 0, wanted = recorded * share;
  for (int i = 0; i < FINE; i++)
    if ((seen += fine[i]) > wanted) return i;
  for (int i = 0; i < COARSE; i++)
    if ((seen += coarse[i]) > wanted) return i * 1000.0;
  return longest;
}

void print_result(const struct result *r) {
  printf("{\"ops\":%llu,\"bytes\":%llu,\"errors\":%llu,\"resumed\":%llu,\"seconds\":%.6f,"
         "\"p50Us\":%.0f,\"p99Us\":%.0f,\"maxUs\":%.0f}\n",
         (unsigned long long)r->ops, (unsigned long long)r->bytes, (unsigned long long)r->errors,
         (unsigned long long)r->resumed, r->seconds, percentile(0.50), percentile(0.99), longest);
}
