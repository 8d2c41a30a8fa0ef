/*
 * Random lives of connections through the relay thread, without Node: `stress SEED CONNECTIONS`.
 * Clients and servers send patterned bytes that tell a connection and a position, so that a byte
 * lost, repeated or leaked from another connection is seen; each may end at any point by FIN, RST or
 * silence, and so may the relay's user. Afterwards no descriptor is left. Meant for sanitizers.
 */
#include "../../native/relay.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIVE_MAX 48
#define CHUNK 65536
#define ID_BYTES 4

#define CHECK(condition, ...)                                     \
  do {                                                            \
    if (!(condition)) {                                           \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                               \
      fputc('\n', stderr);                                        \
      abort();                                                    \
    }                                                             \
  } while (0)

struct life; /* one connection */

/* A client or a server: what it sends and how it ends. */
struct peer {
  int fd;
  int direction; /* of what it sends: 0 from the client */
  uint64_t sends, sent, received;
  int64_t aborts_at; /* after so many bytes sent or received: RST; -1: never */
  uint64_t silent_until;
  bool fin_sent, fin_seen, over;
  struct life *life;
};

enum plan { RELAY, RELAY_UNIX, PEEK_FIRST, REFUSED_FIRST, TIMEOUT_FIRST, TAKE, CUT, CUT_LATER, IDLE, PLANS };

struct life {
  uint32_t id;
  struct peer client, server;
  uint32_t slot;
  enum plan plan;
  uint32_t attempt;
  uint8_t head[64 * 1024];
  uint32_t head_length;
  bool held, closed, disturbed, done;
  uint64_t cut_at;
  int closed_how;
};

static struct relay *relay;
static int news_fd, listen_fd, server_fd, unix_fd, refused_port, port, server_port;
static char unix_path[64];
static struct life *lives[LIVE_MAX];
static struct life *by_slot[65536];
static struct { int fd; uint32_t id; uint8_t bytes[ID_BYTES]; uint32_t got; } strangers[LIVE_MAX * 4];
static uint64_t state;
static uint32_t counts[PLANS], completed, resets, idles;

static uint32_t rnd(uint32_t below) {
  state = state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (uint32_t)(state >> 33) % below;
}

static uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint8_t pattern(uint32_t id, int direction, uint64_t at) {
  return (uint8_t)(id * 131 + (uint32_t)(at * 7) + (uint32_t)(at >> 11) + (uint32_t)direction * 77);
}

static uint64_t length(void) {
  switch (rnd(8)) {
    case 0: return 0;
    case 1: return rnd(3000000);
    case 2: case 3: return rnd(200000);
    default: return rnd(600);
  }
}

static void notify(void *context) {
  (void)context;
  uint64_t one = 1;
  CHECK(write(news_fd, &one, sizeof one) > 0, "eventfd");
}

static int open_listener(int *bound_port, bool listens) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  CHECK(bind(fd, (struct sockaddr *)&address, size) == 0, "bind");
  if (listens) CHECK(listen(fd, 512) == 0, "listen");
  getsockname(fd, (struct sockaddr *)&address, &size);
  *bound_port = ntohs(address.sin_port);
  return fd;
}

static void peer_close(struct peer *peer, bool reset) {
  if (peer->fd < 0) return;
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (reset) setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(peer->fd);
  peer->fd = -1;
  peer->over = true;
}

static void plan_peer(struct peer *peer, struct life *life, int direction) {
  *peer = (struct peer){.fd = -1, .direction = direction, .sends = length(), .life = life, .aborts_at = -1};
  if (direction == 0) peer->sends += ID_BYTES;
  if (rnd(6) == 0) peer->aborts_at = rnd(4) == 0 ? 0 : (int64_t)rnd(400000);
  if (rnd(10) == 0) peer->silent_until = now_ms() + rnd(300);
}

static struct life *life_new(uint32_t id) {
  struct life *life = calloc(1, sizeof *life);
  life->id = id;
  life->plan = (enum plan)(rnd(3) == 0 ? rnd(PLANS) : rnd(3));
  counts[life->plan]++;
  plan_peer(&life->client, life, 0);
  plan_peer(&life->server, life, 1);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
  life->client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int rc = connect(life->client.fd, (struct sockaddr *)&address, sizeof address);
  CHECK(rc == 0 || errno == EINPROGRESS, "connect: %s", strerror(errno));
  return life;
}

/* --- the relay's user --- */

static void dial(struct life *life, enum plan how) {
  struct target *target = calloc(1, sizeof *target + life->head_length);
  struct sockaddr_in *v4 = (struct sockaddr_in *)&target->address.storage;
  if (how == RELAY_UNIX) {
    target->address.un.sun_family = AF_UNIX;
    strcpy(target->address.un.sun_path, unix_path);
    target->address_length = sizeof target->address.un;
  } else {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)(how == REFUSED_FIRST ? refused_port : server_port));
    /* TEST-NET-1: unreachable, or silence. */
    v4->sin_addr.s_addr = htonl(how == TIMEOUT_FIRST ? 0xC0000201 : INADDR_LOOPBACK);
    target->address_length = sizeof *v4;
  }
  target->attempt = ++life->attempt;
  target->timeout_ms = how == TIMEOUT_FIRST ? 60 : 20000;
  target->idle_ms = life->plan == IDLE ? 60 : 20000;
  target->length = life->head_length;
  memcpy(target->bytes, life->head, life->head_length);
  relay_connect(relay, life->slot, target);
}

static void let_go(struct life *life, bool reset) {
  if (!life->held) return;
  life->held = false;
  by_slot[life->slot] = NULL;
  relay_cut(relay, life->slot, reset);
}

static void decide(struct life *life) {
  if (life->plan == PEEK_FIRST && life->head_length < ID_BYTES * 2 && life->client.sends >= ID_BYTES * 2) {
    relay_peek(relay, life->slot);
    return;
  }
  switch (life->plan) {
    case TAKE: {
      life->held = false;
      by_slot[life->slot] = NULL;
      life->disturbed = true;
      int fd = relay_take(relay, life->slot);
      CHECK(fcntl(fd, F_GETFD) >= 0, "a taken descriptor is closed");
      close(fd);
      return;
    }
    case CUT:
      life->disturbed = true;
      let_go(life, rnd(2) == 0);
      return;
    case CUT_LATER:
      life->disturbed = true;
      life->cut_at = now_ms() + rnd(60);
      dial(life, RELAY);
      return;
    case IDLE:
      life->disturbed = true;
      life->server.silent_until = now_ms() + 400;
      dial(life, RELAY);
      return;
    default:
      dial(life, life->plan);
      return;
  }
}

static struct life *life_of_port(int peer_port) {
  for (int i = 0; i < LIVE_MAX; i++) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (lives[i] == NULL || lives[i]->client.fd < 0) continue;
    getsockname(lives[i]->client.fd, (struct sockaddr *)&address, &size);
    if (ntohs(address.sin_port) == peer_port) return lives[i];
  }
  return NULL;
}

static void add_head(struct life *life, const uint8_t *bytes, uint32_t size) {
  CHECK(life->head_length + size <= sizeof life->head, "too many first bytes");
  memcpy(life->head + life->head_length, bytes, size);
  life->head_length += size;
}

static void on_event(const struct event *event, const uint8_t *bytes) {
  uint32_t slot = (uint32_t)event->slot;
  if (event->kind == EVENT_ACCEPT_FAILED) return;
  if (event->kind == EVENT_ACCEPTED) {
    struct life *life = life_of_port(event->b & 0xffff);
    if (life == NULL || life->held) { /* the client is gone already */
      relay_cut(relay, slot, true);
      return;
    }
    CHECK(by_slot[slot] == NULL, "slot %u is used twice", slot);
    uint32_t names = (event->names & 0xff) + (event->names >> 8);
    CHECK(names == 18, "addresses: %u", event->names);
    by_slot[slot] = life;
    life->slot = slot;
    life->held = true;
    add_head(life, bytes + names, event->length - names);
    decide(life);
    return;
  }
  struct life *life = by_slot[slot];
  if (life == NULL) return;
  switch (event->kind) {
    case EVENT_PEEKED:
      add_head(life, bytes, event->length);
      decide(life);
      return;
    case EVENT_LOST:
      CHECK(life->client.over || life->client.fin_sent, "connection %u is not lost", life->id);
      life->disturbed = true;
      let_go(life, true);
      return;
    case EVENT_REFUSED:
      if ((uint32_t)event->a != life->attempt) return;
      CHECK(life->plan == REFUSED_FIRST ? event->b == ECONNREFUSED : life->plan == TIMEOUT_FIRST,
            "plan %d: %s", life->plan, strerror(event->b));
      dial(life, RELAY);
      return;
    case EVENT_CLOSED:
      life->closed = true;
      life->closed_how = event->a;
      CHECK(event->a != CLOSED_IDLE || life->plan == IDLE, "idle");
      if (event->a == CLOSED_COMPLETED) completed++;
      else if (event->a == CLOSED_IDLE) idles++;
      else resets++;
      CHECK(relay_bytes(relay, slot, 0) <= life->client.sent, "more than was sent");
      let_go(life, false);
      return;
    default:
      return;
  }
}

static void read_relay(void) {
  static uint8_t memory[EVENT_MAX + 1000];
  uint64_t count;
  if (read(news_fd, &count, sizeof count) < 0) CHECK(errno == EAGAIN, "eventfd");
  size_t used;
  while ((used = relay_events(relay, memory, sizeof memory)) > 0) {
    for (size_t at = 0; at < used;) {
      struct event event;
      memcpy(&event, memory + at, sizeof event);
      on_event(&event, memory + at + sizeof event);
      at += sizeof event + ((event.length + 3) & ~3u);
    }
  }
  relay_flush(relay);
}

/* --- clients and servers --- */

static void peer_lost(struct peer *peer) {
  peer->life->disturbed = true;
  peer_close(peer, true);
}

static bool may_abort(struct peer *peer) {
  if (peer->aborts_at < 0 || peer->sent + peer->received < (uint64_t)peer->aborts_at) return false;
  peer_lost(peer);
  return true;
}

static void peer_write(struct peer *peer) {
  static uint8_t chunk[CHUNK];
  if (may_abort(peer)) return;
  uint64_t left = peer->sends - peer->sent;
  if (left == 0) {
    if (!peer->fin_sent) shutdown(peer->fd, SHUT_WR);
    peer->fin_sent = true;
    return;
  }
  uint32_t size = 1 + rnd(rnd(2) == 0 ? CHUNK : 300);
  if (size > left) size = (uint32_t)left;
  for (uint32_t i = 0; i < size; i++) {
    uint64_t at = peer->sent + i;
    chunk[i] = peer->direction == 0 && at < ID_BYTES ? (uint8_t)(peer->life->id >> (8 * at))
                                                     : pattern(peer->life->id, peer->direction, at);
  }
  ssize_t sent = send(peer->fd, chunk, size, MSG_NOSIGNAL);
  if (sent > 0) peer->sent += (uint64_t)sent;
  else if (errno != EAGAIN) peer_lost(peer);
}

static void peer_read(struct peer *peer) {
  static uint8_t chunk[CHUNK];
  if (may_abort(peer)) return;
  ssize_t got = recv(peer->fd, chunk, 1 + rnd(CHUNK), 0);
  if (got < 0) {
    if (errno != EAGAIN) peer_lost(peer);
    return;
  }
  if (got == 0) {
    peer->fin_seen = true;
    return;
  }
  struct life *life = peer->life;
  for (ssize_t i = 0; i < got; i++) {
    uint64_t at = peer->received + (uint64_t)i;
    if (peer->direction == 1 && at < ID_BYTES) continue;
    CHECK(chunk[i] == pattern(life->id, 1 - peer->direction, at), "connection %u, plan %d, at %lu",
          life->id, life->plan, (unsigned long)at);
  }
  peer->received += (uint64_t)got;
}

static void accept_servers(int fd) {
  int got;
  while ((got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
      if (strangers[i].fd >= 0) continue;
      strangers[i].fd = got;
      strangers[i].got = 0;
      got = -1;
      break;
    }
    CHECK(got < 0, "too many servers wait for an id");
  }
}

/* The first bytes tell which connection it is. */
static void meet(size_t i) {
  uint8_t *bytes = strangers[i].bytes;
  ssize_t got = recv(strangers[i].fd, bytes + strangers[i].got, ID_BYTES - strangers[i].got, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 0) strangers[i].got += (uint32_t)got;
  if (got > 0 && strangers[i].got < ID_BYTES) return;
  uint32_t id = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
  struct life *life = NULL;
  for (int n = 0; got > 0 && n < LIVE_MAX; n++) {
    if (lives[n] != NULL && lives[n]->id == id) life = lives[n];
  }
  if (life == NULL || life->server.fd >= 0 || life->server.over) close(strangers[i].fd);
  else {
    life->server.fd = strangers[i].fd;
    life->server.received = ID_BYTES;
  }
  strangers[i].fd = -1;
}

/* --- the end of a connection --- */

static void settle(struct life *life, uint64_t now) {
  struct peer *client = &life->client, *server = &life->server;
  if (life->cut_at != 0 && now >= life->cut_at) {
    life->cut_at = 0;
    let_go(life, rnd(2) == 0);
  }
  if (client->fd >= 0 && client->fin_seen && client->fin_sent) peer_close(client, false);
  if (server->fd >= 0 && server->fin_seen && server->fin_sent) peer_close(server, false);
  if (client->fd < 0 && !life->held && server->fd < 0) life->done = true;
  if (!life->done || life->disturbed) return;
  CHECK(life->closed && life->closed_how == CLOSED_COMPLETED, "connection %u: %d", life->id, life->closed_how);
  CHECK(client->received == server->sends && server->received == client->sends,
        "connection %u, plan %d: %lu of %lu, %lu of %lu", life->id, life->plan,
        (unsigned long)client->received, (unsigned long)server->sends,
        (unsigned long)server->received, (unsigned long)client->sends);
}

static void watch(struct pollfd *set, struct peer **owners, nfds_t *count, struct peer *peer,
                  uint64_t now) {
  if (peer->fd < 0 || now < peer->silent_until) return;
  short events = (short)((peer->fin_seen ? 0 : POLLIN) | (peer->fin_sent ? 0 : POLLOUT));
  if (events == 0) return;
  owners[*count] = peer;
  set[(*count)++] = (struct pollfd){.fd = peer->fd, .events = events};
}

static void turn(uint64_t now) {
  static struct pollfd set[LIVE_MAX * 6 + 8];
  static struct peer *owners[LIVE_MAX * 6 + 8];
  nfds_t count = 0;
  memset(owners, 0, sizeof owners);
  set[count++] = (struct pollfd){.fd = news_fd, .events = POLLIN};
  set[count++] = (struct pollfd){.fd = server_fd, .events = POLLIN};
  set[count++] = (struct pollfd){.fd = unix_fd, .events = POLLIN};
  for (int i = 0; i < LIVE_MAX; i++) {
    if (lives[i] == NULL) continue;
    watch(set, owners, &count, &lives[i]->client, now);
    watch(set, owners, &count, &lives[i]->server, now);
  }
  poll(set, count, 5);
  read_relay();
  accept_servers(server_fd);
  accept_servers(unix_fd);
  for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
    if (strangers[i].fd >= 0) meet(i);
  }
  for (nfds_t i = 3; i < count; i++) {
    struct peer *peer = owners[i];
    if (peer->fd == set[i].fd && (set[i].revents & ~POLLOUT)) peer_read(peer);
    if (peer->fd == set[i].fd && (set[i].revents & POLLOUT)) peer_write(peer);
  }
}

/* Has copies of all descriptors for a moment, as one between fork and exec. */
static pid_t fork_now_and_then(pid_t child) {
  if (child > 0 && waitpid(child, NULL, WNOHANG) == 0) return child;
  if (rnd(20) > 0) return 0;
  child = fork();
  CHECK(child >= 0, "fork: %s", strerror(errno));
  if (child > 0) return child;
  usleep(rnd(30000));
  _exit(0);
}

static int open_descriptors(void) {
  int count = 0;
  DIR *directory = opendir("/proc/self/fd");
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

int main(int argc, char **argv) {
  state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint32_t total = argc > 2 ? (uint32_t)atoi(argv[2]) : 500, started = 0, ended = 0;
  signal(SIGPIPE, SIG_IGN);
  int before = open_descriptors();
  news_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) strangers[i].fd = -1;
  listen_fd = open_listener(&port, false);
  server_fd = open_listener(&server_port, true);
  int refused_fd = open_listener(&refused_port, false);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(unix_path, sizeof unix_path, "/tmp/gwproxy-stress-%d", getpid());
  strcpy(address.sun_path, unix_path);
  unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  CHECK(bind(unix_fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(unix_fd, 512) == 0, "unix");
  relay = relay_open(notify, NULL);
  CHECK(relay != NULL, "no relay");
  CHECK(relay_listen(relay, listen_fd, 512, 7) == 0, "no listener");
  relay_flush(relay);
  uint64_t progress = now_ms();
  pid_t child = 0;
  while (ended < total) {
    uint64_t now = now_ms();
    child = fork_now_and_then(child);
    for (int i = 0; i < LIVE_MAX; i++) {
      if (lives[i] == NULL && started < total && rnd(3) == 0) lives[i] = life_new(++started);
    }
    turn(now);
    for (int i = 0; i < LIVE_MAX; i++) {
      if (lives[i] == NULL) continue;
      settle(lives[i], now);
      if (!lives[i]->done) continue;
      free(lives[i]);
      lives[i] = NULL;
      ended++;
      progress = now;
    }
    if (now - progress > 15000) {
      for (int i = 0; i < LIVE_MAX; i++) {
        struct life *l = lives[i];
        if (l == NULL) continue;
        fprintf(stderr, "stuck: %u plan %d held %d closed %d client %lu/%lu fin %d%d server fd %d %lu/%lu fin %d%d\n", l->id,
                l->plan, l->held, l->closed, (unsigned long)l->client.sent, (unsigned long)l->client.sends, l->client.fin_sent,
                l->client.fin_seen, l->server.fd, (unsigned long)l->server.sent, (unsigned long)l->server.sends, l->server.fin_sent,
                l->server.fin_seen);
      }
      CHECK(false, "no progress");
    }
  }
  if (child > 0) waitpid(child, NULL, 0);
  relay_unlisten(relay, 7);
  read_relay();
  /* Some stay open across the end of the relay. */
  relay_close(relay);
  for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
    if (strangers[i].fd >= 0) close(strangers[i].fd);
  }
  close(news_fd);
  close(listen_fd);
  close(server_fd);
  close(refused_fd);
  close(unix_fd);
  unlink(unix_path);
  CHECK(open_descriptors() == before, "%d descriptors leaked", open_descriptors() - before);
  printf("%u connections: %u completed, %u reset, %u idle\n", total, completed, resets, idles);
  return 0;
}
