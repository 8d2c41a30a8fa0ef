/*
 * The relay thread for JavaScript (Node-API 8). `open(onEvents, memory)` gives a handle for the other
 * functions. Events are copied to `memory`, an ArrayBuffer, and `onEvents(length)` is called, all on
 * Node's thread: src/data/io/native/addon.ts reads them. Commands of one turn wake the thread once.
 */
#define NAPI_VERSION 8
#include <node_api.h>

#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 8

struct handle {
  struct relay *relay; /* NULL: closed */
  napi_threadsafe_function notify;
  napi_ref on_events, memory;
  uint8_t *bytes;
  size_t size;
  napi_env env;
  bool reading; /* commands wait for the end of the events */
};

static napi_value thrown(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

static napi_value undefined(napi_env env) {
  napi_value value;
  napi_get_undefined(env, &value);
  return value;
}

static napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

/* Calls JavaScript until no event is left. */
static void read_events(struct handle *handle) {
  napi_env env = handle->env;
  if (handle->relay == NULL || handle->reading) return;
  handle->reading = true;
  size_t length;
  while (handle->relay != NULL &&
         (length = relay_events(handle->relay, handle->bytes, handle->size)) > 0) {
    napi_value function, argument = number(env, (double)length);
    napi_get_reference_value(env, handle->on_events, &function);
    if (napi_call_function(env, undefined(env), function, 1, &argument, NULL) ==
        napi_pending_exception) {
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      napi_fatal_exception(env, error);
    }
  }
  handle->reading = false;
  if (handle->relay != NULL) relay_flush(handle->relay);
}

static void on_notify(napi_env env, napi_value function, void *context, void *data) {
  (void)function;
  (void)data;
  if (env != NULL) read_events(context);
}

/* On the relay thread. */
static void notify(void *context) {
  struct handle *handle = context;
  napi_call_threadsafe_function(handle->notify, NULL, napi_tsfn_nonblocking);
}

static void stop(struct handle *handle) {
  relay_close(handle->relay);
  handle->relay = NULL;
}

/* The environment ends (exit, a worker thread's end): the thread must not outlive it. */
static void on_cleanup(void *argument) { stop(argument); }

static void stop_for_good(struct handle *handle) {
  if (handle->relay == NULL) return;
  napi_remove_env_cleanup_hook(handle->env, on_cleanup, handle);
  stop(handle);
  /* A call that is under way comes without an environment. */
  napi_release_threadsafe_function(handle->notify, napi_tsfn_abort);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  stop_for_good(data);
  free(data);
}

/* --- arguments --- */

struct arguments {
  napi_env env;
  napi_value values[ARGUMENTS_MAX];
  size_t count;
  struct handle *handle;
};

/* False: an exception is pending. A closed handle is a defect of the caller. */
static bool read_arguments(napi_env env, napi_callback_info info, size_t expected,
                           struct arguments *arguments) {
  arguments->env = env;
  arguments->count = ARGUMENTS_MAX;
  napi_get_cb_info(env, info, &arguments->count, arguments->values, NULL, NULL);
  void *data = NULL;
  if (arguments->count < expected ||
      napi_get_value_external(env, arguments->values[0], &data) != napi_ok) {
    thrown(env, "wrong arguments");
    return false;
  }
  arguments->handle = data;
  if (arguments->handle->relay != NULL) return true;
  thrown(env, "the relay is closed");
  return false;
}

static uint32_t integer(const struct arguments *arguments, size_t index) {
  uint32_t value = 0;
  napi_get_value_uint32(arguments->env, arguments->values[index], &value);
  return value;
}

static bool boolean(const struct arguments *arguments, size_t index) {
  bool value = false;
  napi_get_value_bool(arguments->env, arguments->values[index], &value);
  return value;
}

/* Of a Buffer; NULL and 0 for anything else. */
static void *buffer(const struct arguments *arguments, size_t index, size_t *length) {
  void *data = NULL;
  bool is = false;
  *length = 0;
  napi_is_buffer(arguments->env, arguments->values[index], &is);
  if (is) napi_get_buffer_info(arguments->env, arguments->values[index], &data, length);
  return data;
}

static napi_value done(const struct arguments *arguments) {
  if (!arguments->handle->reading) relay_flush(arguments->handle->relay);
  return undefined(arguments->env);
}

/* --- functions --- */

/* open(onEvents, memory) */
static napi_value js_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2], name, result;
  size_t count = 2;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL) return thrown(env, "out of memory");
  handle->env = env;
  void *bytes = NULL;
  if (count < 2 ||
      napi_get_arraybuffer_info(env, arguments[1], &bytes, &handle->size) != napi_ok ||
      handle->size < EVENT_MAX) {
    free(handle);
    return thrown(env, "wrong arguments");
  }
  handle->bytes = bytes;
  napi_create_reference(env, arguments[0], 1, &handle->on_events);
  napi_create_reference(env, arguments[1], 1, &handle->memory);
  napi_create_string_utf8(env, "gwproxy relay", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, handle, on_notify,
                                  &handle->notify);
  napi_unref_threadsafe_function(env, handle->notify);
  handle->relay = relay_open(notify, handle);
  if (handle->relay == NULL) {
    napi_release_threadsafe_function(handle->notify, napi_tsfn_abort);
    free(handle);
    return thrown(env, "no thread, memory or descriptor is left");
  }
  /* Runs before the cleanup of `notify`: in reverse order. */
  napi_add_env_cleanup_hook(env, on_cleanup, handle);
  napi_create_external(env, handle, on_collected, NULL, &result);
  return result;
}

/* close(handle): everything is closed, no event comes any more. */
static napi_value js_close(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  stop_for_good(arguments.handle);
  napi_delete_reference(env, arguments.handle->on_events);
  napi_delete_reference(env, arguments.handle->memory);
  return undefined(env);
}

/* hold(handle, keepsAlive): whether the process stays for its sake. */
static napi_value js_hold(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 2, &arguments)) return NULL;
  if (boolean(&arguments, 1)) napi_ref_threadsafe_function(env, arguments.handle->notify);
  else napi_unref_threadsafe_function(env, arguments.handle->notify);
  return undefined(env);
}

/* listen(handle, fd, backlog, id): 0 or errno */
static napi_value js_listen(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 4, &arguments)) return NULL;
  int error = relay_listen(arguments.handle->relay, (int)integer(&arguments, 1),
                           (int)integer(&arguments, 2), integer(&arguments, 3));
  done(&arguments);
  return number(env, error);
}

/* unlisten(handle, id): what was accepted before has been told when it returns. */
static napi_value js_unlisten(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 2, &arguments)) return NULL;
  relay_unlisten(arguments.handle->relay, integer(&arguments, 1));
  read_events(arguments.handle);
  return undefined(env);
}

/* peek(handle, slot) */
static napi_value js_peek(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 2, &arguments)) return NULL;
  relay_peek(arguments.handle->relay, integer(&arguments, 1));
  return done(&arguments);
}

/* `port` 0: a unix socket's path, which may not be cut off. */
static int set_address(struct target *target, const char *text, size_t length, uint16_t port) {
  if (port == 0) {
    if (length >= sizeof target->address.un.sun_path) return ENAMETOOLONG;
    target->address.un.sun_family = AF_UNIX;
    memcpy(target->address.un.sun_path, text, length + 1);
    target->address_length = sizeof target->address.un;
    return 0;
  }
  struct sockaddr_in *v4 = (struct sockaddr_in *)&target->address.storage;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    target->address_length = sizeof *v4;
    return 0;
  }
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&target->address.storage;
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) return EINVAL;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  target->address_length = sizeof *v6;
  return 0;
}

/* connect(handle, slot, attempt, address, port, first, timeoutMs, idleMs): 0 or errno.
 * `first`: [preface, head], Buffers or undefined. */
static napi_value js_connect(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 8, &arguments)) return NULL;
  char address[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
  size_t address_length = 0, preface_length, head_length;
  struct arguments first = {.env = env};
  napi_get_value_string_utf8(env, arguments.values[3], address, sizeof address, &address_length);
  napi_get_element(env, arguments.values[5], 0, &first.values[0]);
  napi_get_element(env, arguments.values[5], 1, &first.values[1]);
  const void *preface = buffer(&first, 0, &preface_length);
  const void *head = buffer(&first, 1, &head_length);
  struct target *target = calloc(1, sizeof *target + preface_length + head_length);
  if (target == NULL) return number(env, ENOMEM);
  int error = set_address(target, address, address_length, (uint16_t)integer(&arguments, 4));
  if (error != 0) {
    free(target);
    return number(env, error);
  }
  target->attempt = integer(&arguments, 2);
  target->preface_length = (uint32_t)preface_length;
  target->length = (uint32_t)(preface_length + head_length);
  if (preface_length > 0) memcpy(target->bytes, preface, preface_length);
  if (head_length > 0) memcpy(target->bytes + preface_length, head, head_length);
  target->timeout_ms = integer(&arguments, 6);
  target->idle_ms = integer(&arguments, 7);
  relay_connect(arguments.handle->relay, integer(&arguments, 1), target);
  done(&arguments);
  return number(env, 0);
}

/* take(handle, slot): the descriptor; the slot is gone. */
static napi_value js_take(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 2, &arguments)) return NULL;
  int fd = relay_take(arguments.handle->relay, integer(&arguments, 1));
  done(&arguments);
  return number(env, fd);
}

/* cut(handle, slot, reset): the slot is gone. */
static napi_value js_cut(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 3, &arguments)) return NULL;
  relay_cut(arguments.handle->relay, integer(&arguments, 1), boolean(&arguments, 2));
  return done(&arguments);
}

/* bytes(handle, slot, from): how many were read from the client (0) or the upstream (1) */
static napi_value js_bytes(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 3, &arguments)) return NULL;
  int from = integer(&arguments, 2) == CLIENT ? CLIENT : UPSTREAM;
  return number(env,
                (double)relay_bytes(arguments.handle->relay, integer(&arguments, 1), from));
}

static void export(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function);
  napi_set_named_property(env, exports, name, function);
}

NAPI_MODULE_INIT() {
  export(env, exports, "open", js_open);
  export(env, exports, "close", js_close);
  export(env, exports, "hold", js_hold);
  export(env, exports, "listen", js_listen);
  export(env, exports, "unlisten", js_unlisten);
  export(env, exports, "peek", js_peek);
  export(env, exports, "connect", js_connect);
  export(env, exports, "take", js_take);
  export(env, exports, "cut", js_cut);
  export(env, exports, "bytes", js_bytes);
  napi_set_named_property(env, exports, "interface", number(env, 1));
  return exports;
}
