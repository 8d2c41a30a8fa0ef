/* load MODE --to ADDRESS:PORT [--parallel N] [--seconds S] … : see test/bench/README.md. */
#include "load.h"
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WITH_TLS
int run_handshakes(const struct options *o) {
  (void)o;
  fputs("load: built without OpenSSL's headers (libssl-dev)\n", stderr);
  return 3;
}
#endif

static const struct {
  const char *name;
  int (*run)(const struct options *);
} MODES[] = {
    {"backend", run_backend},         {"grpc", run_grpc},         {"bulk", run_bulk},
    {"connections", run_connections}, {"pingpong", run_pingpong}, {"idle", run_idle},
    {"handshakes", run_handshakes},
};

static void usage(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(2);
}

static struct sockaddr_in address(char *text) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  char *colon = strchr(text, ':');
  if (colon == NULL) usage("an address is A.B.C.D:PORT");
  *colon = 0;
  a.sin_port = htons(atoi(colon + 1));
  if (inet_pton(AF_INET, text, &a.sin_addr) != 1) usage("an address is A.B.C.D:PORT");
  return a;
}

int main(int count, char **argument) {
  struct options o = {.to_count = 1, .parallel = 1, .seconds = 1, .sni = "app.bench.test"};
  if (count < 2) usage("which mode?");
  o.mode = argument[1];
  for (int i = 2; i + 1 < count; i += 2) {
    char *name = argument[i], *value = argument[i + 1];
    if (strcmp(name, "--to") == 0) o.to = address(value);
    else if (strcmp(name, "--to-count") == 0) o.to_count = atoi(value);
    else if (strcmp(name, "--from") == 0) o.from = ntohl(inet_addr(value));
    else if (strcmp(name, "--from-count") == 0) o.from_count = atoi(value);
    else if (strcmp(name, "--parallel") == 0) o.parallel = atoi(value);
    else if (strcmp(name, "--seconds") == 0) o.seconds = atof(value);
    else if (strcmp(name, "--sni") == 0) o.sni = value;
    else if (strcmp(name, "--sni-count") == 0) o.sni_count = atoi(value);
    else if (strcmp(name, "--resume") == 0) o.resume = strcmp(value, "yes") == 0;
    else if (strcmp(name, "--every-ms") == 0) o.every_ms = atof(value);
    else usage(name);
  }
  if (o.to.sin_port == 0) usage("--to is missing");
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
    if (strcmp(MODES[i].name, o.mode) == 0) return MODES[i].run(&o);
  usage("no such mode");
}
