/*
 * The relay thread: accepts, reads first bytes, connects, and moves bytes between the two sockets of
 * a connection. One epoll thread for each `struct relay`; no file here but addon.c knows Node.
 *
 * Who may touch a connection: its slot belongs to the user (the thread that calls these functions)
 * from EVENT_ACCEPTED until `relay_cut` or `relay_take`, once. Its sockets belong to the relay thread,
 * which leaves them alone while the connection is HELD: only then may they be taken.
 * Events and commands are queued in order, so an event of a slot that was let go comes before the
 * EVENT_ACCEPTED of its next connection: the user ignores events of slots that it does not hold.
 */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* --- pipes.c: pipes for splice(2), bounded and reused --- */

#define ADDRESS_TEXT 48 /* INET6_ADDRSTRLEN, rounded up */

#define PIPES_MAX 64 /* open at a time: at 1 MiB each the default quota of an unprivileged user */
#define PIPE_BYTES (1 << 20)

struct pipes {
  int kept[PIPES_MAX][2];
  int kept_count;
  int open;
  uint64_t refused_until; /* milliseconds: the system gave none, asking again costs system calls */
};

bool pipes_get(struct pipes *, uint64_t now, int fds[2]);
/* Only an empty pipe is kept: bytes of one connection must not reach another. */
void pipes_put(struct pipes *, int fds[2], bool empty);
void pipes_close(struct pipes *);

/* --- pump.c: one direction --- */

struct end {
  int fd;          /* -1: none */
  uint32_t life;   /* of how many descriptors before this one: tells late events of those apart */
  bool registered; /* in the epoll set */
  bool readable;   /* an edge came that no read has used up yet */
  bool hung_up;    /* RDHUP, HUP or ERR was seen: no further edge may come, read until 0 or EAGAIN */
  bool delays;     /* Nagle's algorithm is on: what is sent next could wait for an acknowledgement */
};

struct way {
  uint8_t *rest; /* read and not sent yet; owned */
  uint32_t rest_at, rest_length;
  int pipe[2]; /* -1: none */
  uint32_t piped;
  bool bulk;    /* the last reads were full ones: splice */
  bool plain;   /* this kind of socket does not splice */
  bool ended;   /* FIN was read */
  bool shut;    /* FIN was sent on */
  bool last;    /* the other way is shut: what sends the FIN on is the close */
  _Atomic uint64_t bytes; /* read from the source */
};

enum pumped { PUMP_WAITS, PUMP_HAS_MORE, PUMP_LOST_SOURCE, PUMP_LOST_TARGET };

struct mover {
  struct pipes pipes;
  uint8_t *buffer; /* READ_BYTES */
  uint64_t now;    /* monotonic milliseconds */
  bool moved;      /* set when bytes or a FIN moved */
  int error;       /* errno of PUMP_LOST_* */
};

#define READ_BYTES (32 * 1024)

enum pumped pump(struct mover *, struct way *, struct end *from, struct end *to);
void way_init(struct way *);
void way_drop(struct mover *, struct way *);
static inline bool way_blocked(const struct way *w) { return w->rest_length > 0 || w->piped > 0; }

/* --- wheel.c: deadlines, coarse, never early --- */

#define TICK_MS 50
#define WHEEL_SLOTS 512

struct timer {
  struct timer *next, *previous; /* NULL: not armed */
  bool of_listener;              /* else of a connection */
};

struct wheel {
  struct timer slots[WHEEL_SLOTS];
  uint64_t tick;
  uint32_t armed;
};

void wheel_init(struct wheel *, uint64_t now);
/* Visits it at `at`, or a round of the wheel from now. */
void wheel_arm(struct wheel *, struct timer *, uint64_t now, uint64_t at);
void wheel_cancel(struct wheel *, struct timer *);
/* The next timer that is due for a visit, disarmed; NULL: none. */
struct timer *wheel_next(struct wheel *, uint64_t now);

/* --- thread.c --- */

enum { CLIENT = 0, UPSTREAM = 1 };

enum state {
  FREE,
  HELD,       /* the user decides; the thread does not touch the socket */
  PEEKING,    /* waits for bytes */
  CONNECTING, /* to the upstream */
  RELAYING,
  OVER, /* sockets closed; the slot waits to be let go */
};

/* A target and the first bytes for it. */
struct target {
  union {
    struct sockaddr any;
    struct sockaddr_storage storage;
    struct sockaddr_un un;
  } address;
  socklen_t address_length;
  uint32_t attempt; /* comes back in the events */
  uint32_t timeout_ms, idle_ms;
  uint32_t preface_length; /* of `bytes`; not counted as the client's */
  uint32_t length;
  uint8_t bytes[];
};

struct conn {
  struct timer timer; /* first */
  enum state state;
  uint32_t slot;
  struct end ends[2];
  struct way ways[2];
  struct target *target; /* while CONNECTING */
  uint32_t attempt;
  uint64_t since; /* connect begun, or last activity */
  uint32_t limit_ms;
  uint8_t has_more;  /* ways that used up their turn, by bit */
  bool queued;       /* in the list of those */
  bool kept_alive;   /* the upstream's keep-alive is on */
  struct conn *next_queued, *next_free;
};

struct relay;

/* `notify` is called by the relay thread: events are there to be read. NULL: out of resources. */
struct relay *relay_open(void (*notify)(void *), void *context);
/* Ends the thread and closes every socket. */
void relay_close(struct relay *);

/* Takes a duplicate of `fd`. 0 or errno. */
int relay_listen(struct relay *, int fd, int backlog, uint32_t id);
/* When it returns, the last EVENT_ACCEPTED of this listener is queued. */
void relay_unlisten(struct relay *, uint32_t id);
void relay_peek(struct relay *, uint32_t slot);
/* Frees `target`. */
void relay_connect(struct relay *, uint32_t slot, struct target *);
/* Of a HELD connection: its descriptor, the caller's from now on. */
int relay_take(struct relay *, uint32_t slot);
void relay_cut(struct relay *, uint32_t slot, bool reset);
uint64_t relay_bytes(struct relay *, uint32_t slot, int from);
/* Wakes the thread if commands are queued; commands of one turn share the call. */
void relay_flush(struct relay *);

enum event_kind {
  EVENT_ACCEPTED,      /* a: listener, b: peer port | local port << 16; bytes: see below */
  EVENT_PEEKED,        /* bytes */
  EVENT_LOST,          /* a: errno, 0 for a FIN; before a relay began */
  EVENT_CONNECTED,     /* a: attempt */
  EVENT_REFUSED,       /* a: attempt, b: errno */
  EVENT_CLOSED,        /* a: enum closed, b: errno */
  EVENT_ACCEPT_FAILED, /* a: listener, b: errno */
};

enum closed { CLOSED_COMPLETED, CLOSED_CLIENT_RESET, CLOSED_UPSTREAM_RESET, CLOSED_IDLE };

/* In memory: this, then `length` bytes, then padding to 4. */
struct event {
  int32_t kind, slot, a, b;
  uint32_t length;
  /* Of EVENT_ACCEPTED: the lengths of the addresses before the first bytes, peer | local << 8. */
  uint32_t names;
};

/* Copies whole events that wait into `out`; gives the bytes used. 0: none wait. */
size_t relay_events(struct relay *, uint8_t *out, size_t size);

#define PEEK_BYTES (16 * 1024)
#define EVENT_MAX (sizeof(struct event) + 2 * 64 + PEEK_BYTES + 4)
