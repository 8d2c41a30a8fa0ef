/* What the files of the relay thread share. */
#pragma once
#include "relay.h"

#include <netinet/in.h>
#include <sys/epoll.h>

#define BLOCK_CONNS 1024
#define BLOCKS 1024

/* --- queue.c: between the thread and its user --- */

enum command_kind {
  COMMAND_PEEK,
  COMMAND_CONNECT,
  COMMAND_TAKEN,
  COMMAND_CUT,
  COMMAND_LISTEN,
  COMMAND_UNLISTEN,
  COMMAND_RESUME,
  COMMAND_STOP,
};

struct command {
  enum command_kind kind;
  uint32_t slot; /* or a listener's id */
  bool reset;
  void *owned; /* struct target, struct listener */
};

struct commands {
  struct command *items;
  uint32_t length, capacity;
};

struct queue {
  pthread_mutex_t lock;
  pthread_cond_t handled;
  int wake_fd;
  struct commands commands;
  uint64_t pushed_count, handled_count;
  bool woken; /* since the commands were last taken */
  uint8_t *events;
  size_t events_at, events_length, events_capacity;
  uint32_t unseen; /* EVENT_ACCEPTED among them */
  bool room_wanted; /* a listener waits for `unseen` to go down */
  bool notified;
};

bool queue_init(struct queue *);
void queue_destroy(struct queue *);
/* Gives its number for queue_wait. */
uint64_t queue_command(struct queue *, struct command);
void queue_wake(struct queue *);
void queue_wait(struct queue *, uint64_t number);
/* The commands so far, in exchange for an empty list. */
void queue_take(struct queue *, struct commands *);
void queue_handled(struct queue *, uint32_t count);
void queue_event(struct queue *, struct event, const void *names, size_t names_length,
                 const void *bytes);
/* True once, when there is something that the user was not told of. */
bool queue_is_news(struct queue *);
/* Whether another EVENT_ACCEPTED may be queued; if not, COMMAND_RESUME will come. */
bool queue_has_room(struct queue *);
size_t queue_read(struct queue *, uint8_t *out, size_t size);

/* --- what epoll's events are of --- */

/* An end in one of its lives, or with LISTENER_TOKEN a listener; without one: the wake-up. */
#define LISTENER_TOKEN (UINT64_C(1) << 63)
#define WAKE_TOKEN LISTENER_TOKEN
#define LIFE_MASK 0x7fffffffu

/* --- accept.c --- */

struct listener {
  int fd;
  uint32_t id;
  bool registered;
  struct timer timer;       /* when accepting failed: when to try again */
  char local[ADDRESS_TEXT]; /* empty: a wildcard, each connection has its own */
  uint16_t port;
  struct listener *next;
};

struct relay {
  struct queue queue;
  struct mover mover;
  struct wheel wheel;
  int epoll_fd;
  int spare_fd; /* given up for a moment to shed connections when descriptors run out */
  struct listener *listeners;
  struct conn *blocks[BLOCKS];
  uint32_t slots;
  struct conn *free_conns;
  struct conn *queued, **queued_end; /* used up their turn */
  void (*notify)(void *);
  void *notify_context;
  pthread_t thread;
};

/* 0 or errno; `listener` is filled except for its id. */
int listener_open(struct listener *, int fd, int backlog);
void listener_start(struct relay *, struct listener *);
void listener_pause(struct relay *, struct listener *);
void listener_close(struct relay *, uint32_t id);
void listener_accept(struct relay *, struct listener *);

/* --- thread.c --- */

/* NULL: out of memory. */
struct conn *conn_new(struct relay *);
/* It is HELD from now on, and the user will let it go. */
void conn_lost(struct relay *, struct conn *, int error);
bool end_register(struct relay *, struct conn *, int side);
/* Of a listener they are inherited. */
void socket_no_delay(int fd);
void socket_keep_alive(int fd);
void socket_close(int fd, bool reset);
