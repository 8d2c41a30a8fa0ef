/* The thread: its loop, and the life of a connection from accept to close. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256
#define KEEP_ALIVE_SECONDS 60
#define STACK_BYTES (256 * 1024)

static uint64_t monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- connections --- */

static struct conn *conn_of(struct relay *relay, uint32_t slot) {
  return &relay->blocks[slot / BLOCK_CONNS][slot % BLOCK_CONNS];
}

/* Blocks are never given back, so that a late event finds a connection, if not its own. */
static bool add_block(struct relay *relay) {
  uint32_t block = relay->slots / BLOCK_CONNS;
  if (block == BLOCKS) return false;
  struct conn *conns = calloc(BLOCK_CONNS, sizeof *conns);
  if (conns == NULL) return false;
  relay->blocks[block] = conns;
  for (uint32_t i = BLOCK_CONNS; i-- > 0;) {
    conns[i].slot = relay->slots + i;
    conns[i].next_free = relay->free_conns;
    relay->free_conns = &conns[i];
  }
  relay->slots += BLOCK_CONNS;
  return true;
}

static void end_init(struct end *end) {
  *end = (struct end){.fd = -1, .life = (end->life + 1) & LIFE_MASK};
}

struct conn *conn_new(struct relay *relay) {
  if (relay->free_conns == NULL && !add_block(relay)) return NULL;
  struct conn *conn = relay->free_conns;
  relay->free_conns = conn->next_free;
  end_init(&conn->ends[CLIENT]);
  end_init(&conn->ends[UPSTREAM]);
  way_init(&conn->ways[CLIENT]);
  way_init(&conn->ways[UPSTREAM]);
  conn->target = NULL;
  conn->attempt = 0;
  /* It may still be in the list of those with more to do, and leaves it by itself. */
  conn->has_more = 0;
  conn->kept_alive = false;
  return conn;
}

static void tell(struct relay *relay, struct conn *conn, enum event_kind kind, int32_t a,
                 int32_t b) {
  struct event event = {.kind = (int32_t)kind, .slot = (int32_t)conn->slot, .a = a, .b = b};
  queue_event(&relay->queue, event, NULL, 0, NULL);
}

void socket_no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void socket_keep_alive(int fd) {
  int on = 1, seconds = KEEP_ALIVE_SECONDS;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
}

void socket_close(int fd, bool reset) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close(fd);
}

static int socket_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

static uint64_t end_token(const struct conn *conn, int side) {
  return (uint64_t)conn->ends[side].life << 32 | (uint64_t)conn->slot << 1 | (uint64_t)side;
}

bool end_register(struct relay *relay, struct conn *conn, int side) {
  struct end *end = &conn->ends[side];
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                              .data.u64 = end_token(conn, side)};
  end->registered = epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, end->fd, &event) == 0;
  return end->registered;
}

/*
 * The last close takes it out of the epoll set. While a child between fork and exec has a copy of it,
 * its events still come: they are of an earlier life of the end.
 */
static void end_close(struct end *end, bool reset) {
  if (end->fd < 0) return;
  socket_close(end->fd, reset);
  end_init(end);
}

static void drop_upstream(struct relay *relay, struct conn *conn) {
  wheel_cancel(&relay->wheel, &conn->timer);
  end_close(&conn->ends[UPSTREAM], true);
  free(conn->target);
  conn->target = NULL;
}

static void conn_close(struct relay *relay, struct conn *conn, bool reset) {
  end_close(&conn->ends[CLIENT], reset);
  /* A connect that is given up is no reset: nobody has heard of it. */
  end_close(&conn->ends[UPSTREAM], reset);
  drop_upstream(relay, conn);
  way_drop(&relay->mover, &conn->ways[CLIENT]);
  way_drop(&relay->mover, &conn->ways[UPSTREAM]);
}

static void conn_free(struct relay *relay, struct conn *conn) {
  conn->state = FREE;
  conn->next_free = relay->free_conns;
  relay->free_conns = conn;
}

void conn_lost(struct relay *relay, struct conn *conn, int error) {
  conn->state = HELD;
  tell(relay, conn, EVENT_LOST, error, 0);
}

static void over(struct relay *relay, struct conn *conn, enum closed closed, int error) {
  conn_close(relay, conn, closed != CLOSED_COMPLETED);
  conn->state = OVER;
  tell(relay, conn, EVENT_CLOSED, (int32_t)closed, error);
}

static void lost_side(struct relay *relay, struct conn *conn, int side, int error) {
  over(relay, conn, side == CLIENT ? CLOSED_CLIENT_RESET : CLOSED_UPSTREAM_RESET, error);
}

/* --- first bytes --- */

static void read_peek(struct relay *relay, struct conn *conn) {
  struct end *end = &conn->ends[CLIENT];
  ssize_t got;
  do got = recv(end->fd, relay->mover.buffer, PEEK_BYTES, 0);
  while (got < 0 && errno == EINTR);
  if (got > 0) {
    conn->state = HELD;
    struct event event = {
        .kind = EVENT_PEEKED, .slot = (int32_t)conn->slot, .length = (uint32_t)got};
    queue_event(&relay->queue, event, NULL, 0, relay->mover.buffer);
  } else if (got == 0) {
    conn_lost(relay, conn, 0);
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    conn_lost(relay, conn, errno);
  }
}

static void peek(struct relay *relay, struct conn *conn) {
  if (conn->state != HELD) return;
  conn->state = PEEKING;
  read_peek(relay, conn);
}

/* --- relaying --- */

static void queue_conn(struct relay *relay, struct conn *conn) {
  if (conn->queued) return;
  conn->queued = true;
  conn->next_queued = NULL;
  *relay->queued_end = conn;
  relay->queued_end = &conn->next_queued;
}

static void run(struct relay *relay, struct conn *conn, int side) {
  if (conn->state != RELAYING) return;
  struct mover *mover = &relay->mover;
  mover->moved = false;
  conn->ways[side].last = conn->ways[1 - side].shut;
  switch (pump(mover, &conn->ways[side], &conn->ends[side], &conn->ends[1 - side])) {
    case PUMP_WAITS:
      break;
    case PUMP_HAS_MORE:
      conn->has_more |= (uint8_t)(1 << side);
      queue_conn(relay, conn);
      break;
    case PUMP_LOST_SOURCE:
      lost_side(relay, conn, side, mover->error);
      return;
    case PUMP_LOST_TARGET:
      lost_side(relay, conn, 1 - side, mover->error);
      return;
  }
  if (mover->moved) conn->since = mover->now;
  if (conn->ways[CLIENT].shut && conn->ways[UPSTREAM].shut) over(relay, conn, CLOSED_COMPLETED, 0);
}

static void run_queued(struct relay *relay) {
  struct conn *next = relay->queued;
  relay->queued = NULL;
  relay->queued_end = &relay->queued;
  while (next != NULL) {
    struct conn *conn = next;
    next = conn->next_queued;
    uint8_t has_more = conn->has_more;
    conn->queued = false;
    conn->has_more = 0;
    for (int side = 0; side < 2; side++) {
      if (has_more & (1 << side)) run(relay, conn, side);
    }
  }
}

static void relay_ready(struct relay *relay, struct conn *conn, int side, uint32_t events) {
  if (events & EPOLLERR) {
    int error = socket_error(conn->ends[side].fd);
    if (error != 0) {
      lost_side(relay, conn, side, error);
      return;
    }
  }
  if (events & ~(uint32_t)EPOLLOUT) run(relay, conn, side);
  /* Room in this socket is what the other direction waits for. */
  if ((events & EPOLLOUT) && way_blocked(&conn->ways[1 - side])) run(relay, conn, 1 - side);
}

/* --- connecting --- */

static void refused(struct relay *relay, struct conn *conn, int error) {
  drop_upstream(relay, conn);
  conn->state = HELD;
  tell(relay, conn, EVENT_REFUSED, (int32_t)conn->attempt, error);
}

/* `sent`: of the target's bytes. */
static void connected(struct relay *relay, struct conn *conn, size_t sent) {
  struct target *target = conn->target;
  struct way *way = &conn->ways[CLIENT];
  if (sent < target->length) {
    way->rest_length = target->length - (uint32_t)sent;
    way->rest = malloc(way->rest_length);
    if (way->rest == NULL) {
      way->rest_length = 0;
      refused(relay, conn, ENOMEM);
      return;
    }
    memcpy(way->rest, target->bytes + sent, way->rest_length);
  }
  atomic_store_explicit(&way->bytes, target->length - target->preface_length, memory_order_relaxed);
  conn->state = RELAYING;
  conn->since = relay->mover.now;
  conn->limit_ms = target->idle_ms;
  wheel_arm(&relay->wheel, &conn->timer, conn->since, conn->since + conn->limit_ms);
  free(target);
  conn->target = NULL;
  tell(relay, conn, EVENT_CONNECTED, (int32_t)conn->attempt, 0);
  run(relay, conn, CLIENT);
  run(relay, conn, UPSTREAM);
}

static void start_connect(struct relay *relay, struct conn *conn, struct target *target) {
  if (conn->state == CONNECTING) drop_upstream(relay, conn);
  else if (conn->state != HELD) {
    free(target);
    return;
  }
  conn->state = CONNECTING;
  conn->target = target;
  conn->attempt = target->attempt;
  struct end *end = &conn->ends[UPSTREAM];
  end->fd = socket(target->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  end->delays = target->address.any.sa_family != AF_UNIX;
  if (end->fd < 0) {
    refused(relay, conn, errno);
    return;
  }
  bool done = connect(end->fd, &target->address.any, target->address_length) == 0;
  if (!done && errno != EINPROGRESS) {
    refused(relay, conn, errno);
    return;
  }
  conn->since = relay->mover.now;
  conn->limit_ms = target->timeout_ms;
  /* A near peer has answered by now, which saves a turn. */
  ssize_t sent = 0;
  if (target->length > 0) {
    sent = send(end->fd, target->bytes, target->length, MSG_NOSIGNAL);
    if (sent >= 0) done = true;
    else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) sent = 0;
    else {
      refused(relay, conn, errno);
      return;
    }
  }
  if (!end_register(relay, conn, UPSTREAM)) refused(relay, conn, errno);
  else if (done) connected(relay, conn, (size_t)sent);
  else wheel_arm(&relay->wheel, &conn->timer, conn->since, conn->since + conn->limit_ms);
}

static void connecting_ready(struct relay *relay, struct conn *conn, int side, uint32_t events) {
  if (side == UPSTREAM) {
    int error = socket_error(conn->ends[UPSTREAM].fd);
    if (error != 0) refused(relay, conn, error);
    else if (events & EPOLLOUT) connected(relay, conn, 0);
  } else if (events & EPOLLERR) {
    drop_upstream(relay, conn);
    conn_lost(relay, conn, ECONNRESET);
  }
}

/* --- the loop --- */

/* An event may be of a connection that was closed in the same batch, or had this slot before. */
static void end_ready(struct relay *relay, uint64_t token, uint32_t events) {
  struct conn *conn = conn_of(relay, (uint32_t)token >> 1);
  int side = (int)(token & 1);
  struct end *end = &conn->ends[side];
  if (token != end_token(conn, side) || end->fd < 0) return;
  if (events & EPOLLIN) end->readable = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) end->hung_up = true;
  switch (conn->state) {
    case PEEKING:
      read_peek(relay, conn);
      return;
    case CONNECTING:
      connecting_ready(relay, conn, side, events);
      return;
    case RELAYING:
      relay_ready(relay, conn, side, events);
      return;
    case HELD:
      if (events & EPOLLERR) conn_lost(relay, conn, ECONNRESET);
      return;
    case FREE:
    case OVER:
      return;
  }
}

/*
 * Most connections end before the wheel visits them once, which saves them the calls. The kernel
 * counts from the last packet, so nothing is late.
 */
static void keep_alive(struct conn *conn) {
  if (conn->kept_alive || conn->state != RELAYING) return;
  conn->kept_alive = true;
  socket_keep_alive(conn->ends[UPSTREAM].fd);
}

static void timer_due(struct relay *relay, struct timer *timer) {
  if (timer->of_listener) {
    struct listener *listener =
        (struct listener *)((uint8_t *)timer - offsetof(struct listener, timer));
    listener_start(relay, listener);
    return;
  }
  struct conn *conn = (struct conn *)timer;
  keep_alive(conn);
  uint64_t due = conn->since + conn->limit_ms;
  if (due > relay->mover.now) wheel_arm(&relay->wheel, timer, relay->mover.now, due);
  else if (conn->state == CONNECTING) refused(relay, conn, ETIMEDOUT);
  else if (conn->state == RELAYING) over(relay, conn, CLOSED_IDLE, 0);
}

static void resume(struct relay *relay) {
  for (struct listener *l = relay->listeners; l != NULL; l = l->next) {
    if (!l->registered && l->timer.next == NULL) listener_start(relay, l);
  }
}

/* False: the thread ends. */
static bool obey(struct relay *relay, const struct command *command) {
  switch (command->kind) {
    case COMMAND_PEEK:
      peek(relay, conn_of(relay, command->slot));
      return true;
    case COMMAND_CONNECT:
      start_connect(relay, conn_of(relay, command->slot), command->owned);
      return true;
    case COMMAND_TAKEN:
      end_init(&conn_of(relay, command->slot)->ends[CLIENT]);
      conn_free(relay, conn_of(relay, command->slot));
      return true;
    case COMMAND_CUT:
      conn_close(relay, conn_of(relay, command->slot), command->reset);
      conn_free(relay, conn_of(relay, command->slot));
      return true;
    case COMMAND_LISTEN: {
      struct listener *listener = command->owned;
      listener->next = relay->listeners;
      relay->listeners = listener;
      listener_start(relay, listener);
      return true;
    }
    case COMMAND_UNLISTEN:
      listener_close(relay, command->slot);
      return true;
    case COMMAND_RESUME:
      resume(relay);
      return true;
    case COMMAND_STOP:
      return false;
  }
  return true;
}

static bool obey_all(struct relay *relay, struct commands *commands) {
  queue_take(&relay->queue, commands);
  bool goes_on = true;
  for (uint32_t i = 0; i < commands->length; i++) {
    goes_on = obey(relay, &commands->items[i]) && goes_on;
  }
  if (commands->length > 0) queue_handled(&relay->queue, commands->length);
  return goes_on;
}

static int time_to_wait(const struct relay *relay) {
  if (relay->queued != NULL) return 0;
  if (relay->wheel.armed == 0) return -1;
  uint64_t tick = (relay->wheel.tick + 1) * TICK_MS, now = relay->mover.now;
  return tick > now ? (int)(tick - now) : 0;
}

static void *thread_main(void *argument) {
  struct relay *relay = argument;
  struct epoll_event events[BATCH];
  struct commands commands = {0};
  prctl(PR_SET_NAME, "gwproxy-relay");
  bool goes_on = true;
  while (goes_on) {
    int count = epoll_wait(relay->epoll_fd, events, BATCH, time_to_wait(relay));
    relay->mover.now = monotonic_ms();
    for (int i = 0; i < count; i++) {
      uint64_t token = events[i].data.u64;
      if ((token & LISTENER_TOKEN) == 0) end_ready(relay, token, events[i].events);
      else if (token != WAKE_TOKEN) {
        listener_accept(relay, (struct listener *)(uintptr_t)(token & ~LISTENER_TOKEN));
      }
    }
    run_queued(relay);
    struct timer *timer;
    while ((timer = wheel_next(&relay->wheel, relay->mover.now)) != NULL) timer_due(relay, timer);
    /* After the batch: only here slots and listeners become free. */
    goes_on = obey_all(relay, &commands);
    /* Nothing is relayed: pipes are for the next burst only. */
    if (relay->wheel.armed == 0) pipes_close(&relay->mover.pipes);
    if (queue_is_news(&relay->queue)) relay->notify(relay->notify_context);
  }
  free(commands.items);
  return NULL;
}

/* --- for the user --- */

static void relay_free(struct relay *relay) {
  while (relay->listeners != NULL) listener_close(relay, relay->listeners->id);
  for (uint32_t slot = 0; slot < relay->slots; slot++) {
    struct conn *conn = conn_of(relay, slot);
    if (conn->state != FREE) conn_close(relay, conn, false);
  }
  for (uint32_t i = 0; i < BLOCKS; i++) free(relay->blocks[i]);
  pipes_close(&relay->mover.pipes);
  free(relay->mover.buffer);
  if (relay->epoll_fd >= 0) close(relay->epoll_fd);
  if (relay->spare_fd >= 0) close(relay->spare_fd);
  queue_destroy(&relay->queue);
  free(relay);
}

/* Signals are for the process's other threads. */
static int start_thread(struct relay *relay) {
  sigset_t all, before;
  pthread_attr_t attributes;
  sigfillset(&all);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&relay->thread, &attributes, thread_main, relay);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

struct relay *relay_open(void (*notify)(void *), void *context) {
  struct relay *relay = calloc(1, sizeof *relay);
  if (relay == NULL) return NULL;
  relay->notify = notify;
  relay->notify_context = context;
  relay->queued_end = &relay->queued;
  relay->mover.now = monotonic_ms();
  wheel_init(&relay->wheel, relay->mover.now);
  relay->mover.buffer = malloc(READ_BYTES);
  relay->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  bool queue = queue_init(&relay->queue);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE_TOKEN};
  if (!queue || relay->mover.buffer == NULL || relay->epoll_fd < 0 ||
      epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, relay->queue.wake_fd, &event) != 0 ||
      start_thread(relay) != 0) {
    relay_free(relay);
    return NULL;
  }
  return relay;
}

void relay_close(struct relay *relay) {
  queue_command(&relay->queue, (struct command){.kind = COMMAND_STOP});
  queue_wake(&relay->queue);
  pthread_join(relay->thread, NULL);
  relay_free(relay);
}

int relay_listen(struct relay *relay, int fd, int backlog, uint32_t id) {
  struct listener *listener = malloc(sizeof *listener);
  if (listener == NULL) return ENOMEM;
  int error = listener_open(listener, fd, backlog);
  if (error != 0) {
    free(listener);
    return error;
  }
  listener->id = id;
  queue_command(&relay->queue, (struct command){.kind = COMMAND_LISTEN, .owned = listener});
  return 0;
}

void relay_unlisten(struct relay *relay, uint32_t id) {
  struct command command = {.kind = COMMAND_UNLISTEN, .slot = id};
  queue_wait(&relay->queue, queue_command(&relay->queue, command));
}

void relay_peek(struct relay *relay, uint32_t slot) {
  queue_command(&relay->queue, (struct command){.kind = COMMAND_PEEK, .slot = slot});
}

void relay_connect(struct relay *relay, uint32_t slot, struct target *target) {
  struct command command = {.kind = COMMAND_CONNECT, .slot = slot, .owned = target};
  queue_command(&relay->queue, command);
}

int relay_take(struct relay *relay, uint32_t slot) {
  struct end *end = &conn_of(relay, slot)->ends[CLIENT];
  int fd = end->fd;
  if (end->registered) epoll_ctl(relay->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
  queue_command(&relay->queue, (struct command){.kind = COMMAND_TAKEN, .slot = slot});
  return fd;
}

void relay_cut(struct relay *relay, uint32_t slot, bool reset) {
  queue_command(&relay->queue,
                (struct command){.kind = COMMAND_CUT, .slot = slot, .reset = reset});
}

uint64_t relay_bytes(struct relay *relay, uint32_t slot, int from) {
  return atomic_load_explicit(&conn_of(relay, slot)->ways[from].bytes, memory_order_relaxed);
}

void relay_flush(struct relay *relay) { queue_wake(&relay->queue); }

size_t relay_events(struct relay *relay, uint8_t *out, size_t size) {
  return queue_read(&relay->queue, out, size);
}
