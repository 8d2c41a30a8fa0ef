#include "relay.h"

#include <fcntl.h>
#include <unistd.h>

#define REFUSED_MS 1000

bool pipes_get(struct pipes *pipes, uint64_t now, int fds[2]) {
  if (pipes->kept_count > 0) {
    int *kept = pipes->kept[--pipes->kept_count];
    fds[0] = kept[0];
    fds[1] = kept[1];
    return true;
  }
  if (pipes->open >= PIPES_MAX || now < pipes->refused_until) return false;
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0) {
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES) {
      pipes->open++;
      return true;
    }
    /* Over the user's quota: small pipes are slower than a copy. */
    close(fds[0]);
    close(fds[1]);
  }
  fds[0] = fds[1] = -1;
  pipes->refused_until = now + REFUSED_MS;
  return false;
}

void pipes_put(struct pipes *pipes, int fds[2], bool empty) {
  if (fds[0] < 0) return;
  if (empty) {
    int *kept = pipes->kept[pipes->kept_count++];
    kept[0] = fds[0];
    kept[1] = fds[1];
  } else {
    close(fds[0]);
    close(fds[1]);
    pipes->open--;
  }
  fds[0] = fds[1] = -1;
}

void pipes_close(struct pipes *pipes) {
  int fds[2];
  while (pipes->kept_count > 0 && pipes_get(pipes, 0, fds)) pipes_put(pipes, fds, false);
}
