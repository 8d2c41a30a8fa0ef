#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Accepted connections that the user has not seen: what is more waits in the kernel's backlog. */
#define UNSEEN_MAX 16

bool queue_init(struct queue *queue) {
  memset(queue, 0, sizeof *queue);
  queue->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  pthread_mutex_init(&queue->lock, NULL);
  pthread_cond_init(&queue->handled, NULL);
  return queue->wake_fd >= 0;
}

void queue_destroy(struct queue *queue) {
  if (queue->wake_fd >= 0) close(queue->wake_fd);
  pthread_mutex_destroy(&queue->lock);
  pthread_cond_destroy(&queue->handled);
  free(queue->commands.items);
  free(queue->events);
}

/* As Node itself does: nothing sensible is left to do without memory for a few bytes. */
static void *grown(void *memory, size_t size) {
  void *more = realloc(memory, size);
  if (more == NULL) abort();
  return more;
}

uint64_t queue_command(struct queue *queue, struct command command) {
  pthread_mutex_lock(&queue->lock);
  struct commands *commands = &queue->commands;
  if (commands->length == commands->capacity) {
    commands->capacity = commands->capacity == 0 ? 64 : commands->capacity * 2;
    commands->items = grown(commands->items, commands->capacity * sizeof *commands->items);
  }
  commands->items[commands->length++] = command;
  uint64_t number = ++queue->pushed_count;
  pthread_mutex_unlock(&queue->lock);
  return number;
}

void queue_wake(struct queue *queue) {
  pthread_mutex_lock(&queue->lock);
  bool asleep = queue->commands.length > 0 && !queue->woken;
  if (asleep) queue->woken = true;
  pthread_mutex_unlock(&queue->lock);
  uint64_t one = 1;
  /* It is never read: with an edge each write is an event, and the sum cannot overflow. */
  if (asleep && write(queue->wake_fd, &one, sizeof one) < 0) abort();
}

void queue_wait(struct queue *queue, uint64_t number) {
  queue_wake(queue);
  pthread_mutex_lock(&queue->lock);
  while (queue->handled_count < number) pthread_cond_wait(&queue->handled, &queue->lock);
  pthread_mutex_unlock(&queue->lock);
}

void queue_take(struct queue *queue, struct commands *taken) {
  taken->length = 0;
  pthread_mutex_lock(&queue->lock);
  struct commands waiting = queue->commands;
  queue->commands = *taken;
  queue->woken = false;
  pthread_mutex_unlock(&queue->lock);
  *taken = waiting;
}

void queue_handled(struct queue *queue, uint32_t count) {
  pthread_mutex_lock(&queue->lock);
  queue->handled_count += count;
  pthread_cond_broadcast(&queue->handled);
  pthread_mutex_unlock(&queue->lock);
}

static size_t padded(size_t length) { return (length + 3) & ~(size_t)3; }

void queue_event(struct queue *queue, struct event event, const void *names, size_t names_length,
                 const void *bytes) {
  size_t size = sizeof event + padded(event.length);
  pthread_mutex_lock(&queue->lock);
  size_t needed = queue->events_length + size;
  if (needed > queue->events_capacity) {
    queue->events_capacity = needed * 2;
    queue->events = grown(queue->events, queue->events_capacity);
  }
  uint8_t *at = queue->events + queue->events_length;
  memcpy(at, &event, sizeof event);
  at += sizeof event;
  if (names_length > 0) memcpy(at, names, names_length);
  if (event.length > names_length) memcpy(at + names_length, bytes, event.length - names_length);
  queue->events_length = needed;
  if (event.kind == EVENT_ACCEPTED) queue->unseen++;
  pthread_mutex_unlock(&queue->lock);
}

bool queue_is_news(struct queue *queue) {
  pthread_mutex_lock(&queue->lock);
  bool news = !queue->notified && queue->events_length > 0;
  if (news) queue->notified = true;
  pthread_mutex_unlock(&queue->lock);
  return news;
}

bool queue_has_room(struct queue *queue) {
  pthread_mutex_lock(&queue->lock);
  bool room = queue->unseen < UNSEEN_MAX;
  if (!room) queue->room_wanted = true;
  pthread_mutex_unlock(&queue->lock);
  return room;
}

size_t queue_read(struct queue *queue, uint8_t *out, size_t size) {
  pthread_mutex_lock(&queue->lock);
  size_t begin = queue->events_at, end = begin;
  struct event event;
  while (end < queue->events_length) {
    memcpy(&event, queue->events + end, sizeof event);
    size_t next = end + sizeof event + padded(event.length);
    if (next - begin > size) break;
    if (event.kind == EVENT_ACCEPTED) queue->unseen--;
    end = next;
  }
  if (end > begin) memcpy(out, queue->events + begin, end - begin);
  queue->events_at = end;
  if (end == queue->events_length) {
    queue->events_at = queue->events_length = 0;
    /* What a burst took is given back. */
    if (queue->events_capacity > (1 << 20)) {
      free(queue->events);
      queue->events = NULL;
      queue->events_capacity = 0;
    }
    if (end == begin) queue->notified = false;
  }
  bool resume = queue->room_wanted && queue->unseen == 0;
  if (resume) queue->room_wanted = false;
  pthread_mutex_unlock(&queue->lock);
  if (resume) queue_command(queue, (struct command){.kind = COMMAND_RESUME});
  return end - begin;
}
