/* TLS 1.3 handshakes with one group and one cipher: full ones, or with tickets that are used once. */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct client {
  int fd;
  SSL *ssl;
  /* The newest ticket of this client, taken out when it is used. */
  SSL_SESSION *ticket;
  bool sent, offered;
  int have;
  double since;
};

static int poller;
static struct result result;
static uint64_t offers;

static int keep_ticket(SSL *ssl, SSL_SESSION *session) {
  struct client *c = SSL_get_app_data(ssl);
  if (c->ticket != NULL) SSL_SESSION_free(c->ticket);
  c->ticket = session;
  return 1;
}

static void open_client(const struct options *o, SSL_CTX *context, struct client *c, int index) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = index};
  c->since = now_seconds();
  c->sent = c->offered = false;
  c->have = 0;
  if ((c->fd = connect_next(o)) < 0) die("connect");
  c->ssl = SSL_new(context);
  SSL_set_app_data(c->ssl, c);
  SSL_set_fd(c->ssl, c->fd);
  SSL_set_tlsext_host_name(c->ssl, o->sni);
  if (c->ticket != NULL) {
    SSL_set_session(c->ssl, c->ticket);
    SSL_SESSION_free(c->ticket);
    c->ticket = NULL;
    c->offered = true;
  }
  SSL_set_connect_state(c->ssl);
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
}

/* 1: done, 0: goes on, -1: failed. */
static int advance(struct client *c) {
  static const char ask = WORK_REPLY;
  char answer[REPLY_BYTES + 1];
  if (!c->sent) {
    int n = SSL_do_handshake(c->ssl);
    if (n == 1) n = SSL_write(c->ssl, &ask, 1);
    if (n <= 0) goto blocked_or_failed;
    c->sent = true;
  }
  while (c->have < REPLY_BYTES) {
    int n = SSL_read(c->ssl, answer, sizeof answer);
    if (n <= 0) goto blocked_or_failed;
    for (int i = 0; i < n; i++)
      if (answer[i] != 'r') return -1;
    c->have += n;
  }
  return c->have == REPLY_BYTES ? 1 : -1;
blocked_or_failed:;
  int error = SSL_get_error(c->ssl, -1);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int run_handshakes(const struct options *o) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (SSL_CTX_set1_groups_list(context, "X25519") != 1) die("groups");
  if (SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1) die("ciphers");
  if (o->resume) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_ticket);
  }
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct client *clients = calloc(o->parallel, sizeof *clients);
  if (poller < 0 || clients == NULL) die("memory");
  for (int i = 0; i < o->parallel; i++) open_client(o, context, &clients[i], i);

  double begin = now_seconds(), until = begin + o->seconds;
  struct epoll_event ready[64];
  while (now_seconds() < until) {
    int n = epoll_wait(poller, ready, 64, 100);
    for (int i = 0; i < n; i++) {
      struct client *c = &clients[ready[i].data.u32];
      int state = advance(c);
      if (state == 0) continue;
      if (state < 0) result.errors++;
      else {
        result.ops++;
        result.resumed += SSL_session_reused(c->ssl);
        offers += c->offered;
        record_us((now_seconds() - c->since) * 1e6);
        SSL_shutdown(c->ssl);
      }
      SSL_free(c->ssl);
      close(c->fd);
      open_client(o, context, c, ready[i].data.u32);
    }
  }
  result.seconds = now_seconds() - begin;
  print_result(&result);
  return 0;
}
