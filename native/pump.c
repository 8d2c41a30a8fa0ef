/*
 * Moves the bytes of one direction, as far as both sockets let it: what was read before goes first,
 * then the pipe, then new bytes. Reads with recv(2) into the thread's one buffer until full reads
 * tell of a bulk transfer, which is spliced.
 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Of one direction before others get their turn. */
#define TURN_BYTES (1 << 20)
/* Below this a splice costs more than a copy. */
#define SPLICE_LEAST (16 * 1024)

enum step { STEP_GOES_ON, STEP_BLOCKED, STEP_SOURCE_FAILED, STEP_TARGET_FAILED };

void way_init(struct way *way) {
  memset(way, 0, sizeof *way);
  way->pipe[0] = way->pipe[1] = -1;
}

static void return_pipe(struct mover *mover, struct way *way) {
  pipes_put(&mover->pipes, way->pipe, way->piped == 0);
  way->piped = 0;
}

void way_drop(struct mover *mover, struct way *way) {
  free(way->rest);
  way->rest = NULL;
  way->rest_length = way->rest_at = 0;
  return_pipe(mover, way);
}

static bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

static enum step failed(struct mover *mover, enum step step) {
  if (would_block(errno)) return STEP_BLOCKED;
  mover->error = errno;
  return step;
}

/* Of most connections the first bytes are all that is sent, which never wait: a call that they are spared. */
static void no_delay(struct end *to) {
  if (!to->delays) return;
  int on = 1;
  setsockopt(to->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  to->delays = false;
}

static enum step send_rest(struct mover *mover, struct way *way, struct end *to) {
  if (way->rest_length > 0) no_delay(to);
  while (way->rest_at < way->rest_length) {
    ssize_t sent = send(to->fd, way->rest + way->rest_at, way->rest_length - way->rest_at,
                        MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return failed(mover, STEP_TARGET_FAILED);
    way->rest_at += (uint32_t)sent;
    mover->moved = true;
  }
  free(way->rest);
  way->rest = NULL;
  way->rest_at = way->rest_length = 0;
  return STEP_GOES_ON;
}

static enum step drain_pipe(struct mover *mover, struct way *way, struct end *to) {
  if (way->piped > 0) no_delay(to);
  while (way->piped > 0) {
    ssize_t sent =
        splice(way->pipe[0], NULL, to->fd, NULL, way->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return failed(mover, STEP_TARGET_FAILED);
    way->piped -= (uint32_t)sent;
    mover->moved = true;
  }
  return STEP_GOES_ON;
}

/* What the target does not take now is kept for later: at most one read. */
static enum step send_or_keep(struct mover *mover, struct way *way, struct end *to, size_t length) {
  no_delay(to);
  ssize_t sent = send(to->fd, mover->buffer, length, MSG_NOSIGNAL);
  if (sent < 0) {
    if (!would_block(errno) && errno != EINTR) return failed(mover, STEP_TARGET_FAILED);
    sent = 0;
  }
  if ((size_t)sent == length) return STEP_GOES_ON;
  way->rest_length = (uint32_t)(length - (size_t)sent);
  way->rest = malloc(way->rest_length);
  if (way->rest == NULL) {
    way->rest_length = 0;
    mover->error = ENOMEM;
    return STEP_TARGET_FAILED;
  }
  memcpy(way->rest, mover->buffer + sent, way->rest_length);
  /* Not blocked for certain after EINTR: the next send will tell. */
  return STEP_GOES_ON;
}

static void count(struct mover *mover, struct way *way, size_t length) {
  atomic_fetch_add_explicit(&way->bytes, length, memory_order_relaxed);
  mover->moved = true;
}

/* `got`: bytes that were read. */
static enum step receive(struct mover *mover, struct way *way, struct end *from, struct end *to,
                         size_t *got) {
  ssize_t length;
  do length = recv(from->fd, mover->buffer, READ_BYTES, 0);
  while (length < 0 && errno == EINTR);
  if (length < 0) {
    if (would_block(errno)) from->readable = false;
    return failed(mover, STEP_SOURCE_FAILED);
  }
  *got = (size_t)length;
  if (length == 0) {
    way->ended = mover->moved = true;
    return STEP_GOES_ON;
  }
  count(mover, way, (size_t)length);
  if (length == READ_BYTES) way->bulk = !way->plain;
  /* A short read has emptied the socket, except that a FIN may be behind it without an edge. */
  else from->readable = false;
  return send_or_keep(mover, way, to, (size_t)length);
}

/* Only into an empty pipe: EAGAIN could mean a full one otherwise. */
static enum step splice_in(struct mover *mover, struct way *way, struct end *from, size_t *got) {
  ssize_t length;
  do length = splice(from->fd, NULL, way->pipe[1], NULL, PIPE_BYTES,
                     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (length < 0 && errno == EINTR);
  if (length < 0) {
    if (would_block(errno)) from->readable = false;
    else if (errno == EINVAL) {
      way->plain = true;
      way->bulk = false;
      return STEP_GOES_ON;
    }
    return failed(mover, STEP_SOURCE_FAILED);
  }
  *got = (size_t)length;
  if (length == 0) {
    way->ended = mover->moved = true;
    return STEP_GOES_ON;
  }
  count(mover, way, (size_t)length);
  way->piped = (uint32_t)length;
  if (length < SPLICE_LEAST) way->bulk = false;
  return STEP_GOES_ON;
}

static enum step read_more(struct mover *mover, struct way *way, struct end *from, struct end *to,
                           size_t *got) {
  *got = 0;
  bool piped = way->bulk && (way->pipe[0] >= 0 || pipes_get(&mover->pipes, mover->now, way->pipe));
  return piped ? splice_in(mover, way, from, got) : receive(mover, way, from, to, got);
}

static enum pumped finish(struct mover *mover, struct way *way, struct end *to) {
  if (way->shut) return PUMP_WAITS;
  if (!way->last && shutdown(to->fd, SHUT_WR) != 0) {
    mover->error = errno;
    return PUMP_LOST_TARGET;
  }
  way->shut = true;
  return PUMP_WAITS;
}

enum pumped pump(struct mover *mover, struct way *way, struct end *from, struct end *to) {
  size_t moved = 0, got;
  for (;;) {
    enum step step = send_rest(mover, way, to);
    if (step == STEP_GOES_ON) step = drain_pipe(mover, way, to);
    if (step == STEP_TARGET_FAILED) return PUMP_LOST_TARGET;
    if (step == STEP_BLOCKED) return PUMP_WAITS;
    if (!way->bulk || way->ended) return_pipe(mover, way);
    if (way->ended) return finish(mover, way, to);
    if (!from->readable && !from->hung_up) break;
    if (moved >= TURN_BYTES) return PUMP_HAS_MORE;
    step = read_more(mover, way, from, to, &got);
    if (step == STEP_SOURCE_FAILED) return PUMP_LOST_SOURCE;
    if (step == STEP_TARGET_FAILED) return PUMP_LOST_TARGET;
    if (step == STEP_BLOCKED) break;
    moved += got;
  }
  return_pipe(mover, way);
  return PUMP_WAITS;
}
