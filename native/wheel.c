#include "relay.h"

void wheel_init(struct wheel *wheel, uint64_t now) {
  for (int i = 0; i < WHEEL_SLOTS; i++) {
    wheel->slots[i].next = wheel->slots[i].previous = &wheel->slots[i];
  }
  wheel->tick = now / TICK_MS;
  wheel->armed = 0;
}

void wheel_arm(struct wheel *wheel, struct timer *timer, uint64_t now, uint64_t at) {
  wheel_cancel(wheel, timer);
  /* While nothing is armed nobody turns the wheel. */
  if (wheel->armed == 0) wheel->tick = now / TICK_MS;
  uint64_t tick = (at + TICK_MS - 1) / TICK_MS;
  if (tick <= wheel->tick) tick = wheel->tick + 1;
  if (tick >= wheel->tick + WHEEL_SLOTS) tick = wheel->tick + WHEEL_SLOTS - 1;
  struct timer *slot = &wheel->slots[tick % WHEEL_SLOTS];
  timer->next = slot;
  timer->previous = slot->previous;
  slot->previous->next = timer;
  slot->previous = timer;
  wheel->armed++;
}

void wheel_cancel(struct wheel *wheel, struct timer *timer) {
  if (timer->next == NULL) return;
  timer->next->previous = timer->previous;
  timer->previous->next = timer->next;
  timer->next = timer->previous = NULL;
  wheel->armed--;
}

struct timer *wheel_next(struct wheel *wheel, uint64_t now) {
  while (wheel->armed > 0) {
    struct timer *slot = &wheel->slots[wheel->tick % WHEEL_SLOTS];
    if (slot->next != slot) {
      struct timer *timer = slot->next;
      wheel_cancel(wheel, timer);
      return timer;
    }
    if (wheel->tick >= now / TICK_MS) return NULL;
    wheel->tick++;
  }
  return NULL;
}
