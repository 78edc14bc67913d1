// tcpsend ADDRESS PORT BYTES: sends zeros by TCP, waits until the other side has taken and closed, and prints how long
// that took, for hosts that take TCP and run no iperf3. (busybox' nc copies a kilobyte at a time, which is what it
// would measure.) Static, for the guest's root file system.
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int count, char** arguments) {
  static char zeros[128 << 10];
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (count != 4 || inet_pton(AF_INET, arguments[1], &to.sin_addr) != 1) {
    fprintf(stderr, "usage: tcpsend IPV4-ADDRESS PORT BYTES\n");
    return 2;
  }
  to.sin_port = htons((uint16_t)strtoul(arguments[2], NULL, 0));
  const uint64_t bytes = strtoull(arguments[3], NULL, 0);
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0 || connect(connection, (struct sockaddr*)&to, sizeof to) != 0) {
    perror("tcpsend: connect");
    return 1;
  }
  const double start = now();
  for (uint64_t sent = 0; sent < bytes;) {
    const uint64_t left = bytes - sent;
    const ssize_t done = send(connection, zeros, left < sizeof zeros ? left : sizeof zeros, MSG_NOSIGNAL);
    if (done <= 0) {
      perror("tcpsend: send");
      return 1;
    }
    sent += (uint64_t)done;
  }
  char end;
  if (shutdown(connection, SHUT_WR) != 0 || recv(connection, &end, 1, 0) != 0) {
    perror("tcpsend: close");
    return 1;
  }
  printf("sent=%" PRIu64 " seconds=%.6f\n", bytes, now() - start);
  return 0;
}
