/* Listening sockets. Several processes may share one: each connection wakes one of them. */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Connections before others get their turn. */
#define ACCEPT_TURN 16
#define RETRY_MS 100

/* An IPv4 address inside IPv6 becomes IPv4, as everywhere in gwproxy. Gives the port. */
static uint16_t address_text(const struct sockaddr_storage *address, char text[ADDRESS_TEXT]) {
  text[0] = '\0';
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    inet_ntop(AF_INET, &v4->sin_addr, text, ADDRESS_TEXT);
    return ntohs(v4->sin_port);
  }
  if (address->ss_family != AF_INET6) return 0;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
  bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
  inet_ntop(mapped ? AF_INET : AF_INET6, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), text,
            ADDRESS_TEXT);
  return ntohs(v6->sin6_port);
}

static bool is_wildcard(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) {
    return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
  }
  return address->ss_family != AF_INET6 ||
         IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

int listener_open(struct listener *listener, int fd, int backlog) {
  memset(listener, 0, sizeof *listener);
  listener->timer.of_listener = true;
  if (listen(fd, backlog) != 0) return errno;
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return errno;
  listener->port = address_text(&address, listener->local);
  if (is_wildcard(&address)) listener->local[0] = '\0';
  listener->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (listener->fd < 0) return errno;
  int flags = fcntl(listener->fd, F_GETFL);
  fcntl(listener->fd, F_SETFL, flags | O_NONBLOCK);
  socket_no_delay(listener->fd);
  socket_keep_alive(listener->fd);
  return 0;
}

void listener_start(struct relay *relay, struct listener *listener) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE,
                              .data.u64 = LISTENER_TOKEN | (uintptr_t)listener};
  if (epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) == 0) {
    listener->registered = true;
  } else {
    wheel_arm(&relay->wheel, &listener->timer, relay->mover.now, relay->mover.now + RETRY_MS);
  }
}

void listener_pause(struct relay *relay, struct listener *listener) {
  if (!listener->registered) return;
  epoll_ctl(relay->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
  listener->registered = false;
}

void listener_close(struct relay *relay, uint32_t id) {
  for (struct listener **at = &relay->listeners; *at != NULL; at = &(*at)->next) {
    struct listener *listener = *at;
    if (listener->id != id) continue;
    listener_pause(relay, listener);
    wheel_cancel(&relay->wheel, &listener->timer);
    close(listener->fd);
    *at = listener->next;
    free(listener);
    return;
  }
}

/* What waits would wake us for ever: it is accepted and reset, with the spare descriptor. */
static void shed(struct relay *relay, struct listener *listener) {
  if (relay->spare_fd >= 0) close(relay->spare_fd);
  int fd;
  while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) socket_close(fd, true);
  relay->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void failed(struct relay *relay, struct listener *listener, int error) {
  struct event event = {
      .kind = EVENT_ACCEPT_FAILED, .slot = -1, .a = (int32_t)listener->id, .b = error};
  queue_event(&relay->queue, event, NULL, 0, NULL);
  listener_pause(relay, listener);
  wheel_arm(&relay->wheel, &listener->timer, relay->mover.now, relay->mover.now + RETRY_MS);
}

static void take_in(struct relay *relay, struct listener *listener, int fd,
                    const struct sockaddr_storage *peer) {
  struct conn *conn = conn_new(relay);
  if (conn == NULL) {
    close(fd);
    return;
  }
  conn->ends[CLIENT].fd = fd;
  conn->state = HELD;
  char names[2 * ADDRESS_TEXT];
  uint16_t peer_port = address_text(peer, names), local_port = listener->port;
  size_t peer_length = strlen(names);
  char *local = names + peer_length;
  if (listener->local[0] != '\0') strcpy(local, listener->local);
  else {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &length);
    local_port = address_text(&address, local);
  }
  size_t local_length = strlen(local), names_length = peer_length + local_length;
  /* Most clients speak first, and by now they have: one turn less. */
  ssize_t got = recv(fd, relay->mover.buffer, PEEK_BYTES, 0);
  int error = got < 0 ? errno : 0;
  if (!end_register(relay, conn, CLIENT)) error = errno;
  struct event event = {
      .kind = EVENT_ACCEPTED,
      .slot = (int32_t)conn->slot,
      .a = (int32_t)listener->id,
      .b = (int32_t)((uint32_t)peer_port | (uint32_t)local_port << 16),
      .length = (uint32_t)(names_length + (got > 0 ? (size_t)got : 0)),
      .names = (uint32_t)(peer_length | local_length << 8),
  };
  queue_event(&relay->queue, event, names, names_length, relay->mover.buffer);
  if (error != 0 && error != EAGAIN && error != EWOULDBLOCK && error != EINTR) {
    conn_lost(relay, conn, error);
  }
}

void listener_accept(struct relay *relay, struct listener *listener) {
  for (int i = 0; i < ACCEPT_TURN; i++) {
    if (!queue_has_room(&relay->queue)) {
      listener_pause(relay, listener);
      return;
    }
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof peer;
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      take_in(relay, listener, fd, &peer);
      continue;
    }
    int error = errno;
    switch (error) {
      case EAGAIN:
        return;
      case EMFILE:
      case ENFILE:
        shed(relay, listener);
        failed(relay, listener, error);
        return;
      case EINTR:
      case ECONNABORTED:
      case EPERM:
      case ENETDOWN:
      case EPROTO:
      case ENOPROTOOPT:
      case EHOSTDOWN:
      case ENONET:
      case EHOSTUNREACH:
      case EOPNOTSUPP:
      case ENETUNREACH:
        /* The fault of one connection, which is gone (accept(2)). */
        continue;
      default:
        failed(relay, listener, error);
        return;
    }
  }
}
