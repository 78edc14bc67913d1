// talk MS ADDRESS...: sends each address an echo request every MS milliseconds, all numbered, and counts what is
// answered; for whoever must know of every packet that is lost. Static, for the guest's root file system.
//
// Says "ready" when every address has answered once. From then on counts; SIGUSR1 begins another period. SIGTERM ends
// it: what is under way is waited for, until SIGUSR2 at most, and a line is printed for each period and address:
//   period=0 to=10.10.0.11 sent=120 received=120
// An answer counts for the period in which its request was sent.
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kPeers = 16, kPeriods = 64, kNumbers = 1 << 16, kFilter = 1 /* ICMP_FILTER */ };

static struct peer {
  struct sockaddr_in address;
  const char* text;
  uint32_t next, sent[kPeriods], received[kPeriods];
  uint8_t period[kNumbers];
  bool outstanding[kNumbers], answered;
} peers[kPeers];
static int count, connection;
static volatile sig_atomic_t period, ended, given_up;

static void begin_period(int signal) {
  (void)signal;
  if (period < kPeriods - 1) period = period + 1;
}
static void end(int signal) {
  (void)signal;
  ended = 1;
}

static void give_up(int signal) {
  (void)signal;
  ended = given_up = 1;
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint16_t checksum(const void* bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i += 2) sum += *(const uint16_t*)((const char*)bytes + i);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~(sum + (sum >> 16));
}

struct message {
  struct icmphdr header;
  uint32_t peer, number;
};

static void send_to(int index, bool counts) {
  struct peer* peer = &peers[index];
  const uint32_t number = counts ? peer->next++ : UINT32_MAX;
  struct message message = {.header = {.type = ICMP_ECHO}, .peer = (uint32_t)index, .number = number};
  message.header.un.echo.id = (uint16_t)getpid();
  message.header.un.echo.sequence = htons((uint16_t)number);
  message.header.checksum = checksum(&message, sizeof message);
  if (counts) {
    const uint32_t slot = number % kNumbers;
    peer->period[slot] = (uint8_t)period;
    peer->outstanding[slot] = true;
    peer->sent[period]++;
  }
  (void)!sendto(connection, &message, sizeof message, 0, (struct sockaddr*)&peer->address, sizeof peer->address);
}

static void receive_all(void) {
  uint8_t packet[256];
  struct message message;
  for (ssize_t got; (got = recv(connection, packet, sizeof packet, MSG_DONTWAIT)) > 0;) {
    const size_t header = (packet[0] & 0xfu) * 4;
    if ((size_t)got < header + sizeof message) continue;
    memcpy(&message, packet + header, sizeof message);
    if (message.header.type != ICMP_ECHOREPLY || message.header.un.echo.id != (uint16_t)getpid()) continue;
    if (message.peer >= (uint32_t)count) continue;
    struct peer* peer = &peers[message.peer];
    peer->answered = true;
    const uint32_t slot = message.number % kNumbers;
    if (message.number == UINT32_MAX || !peer->outstanding[slot]) continue;
    peer->outstanding[slot] = false;
    peer->received[peer->period[slot]]++;
  }
}

static void wait_until(int64_t time) {
  for (int64_t left; (left = time - now()) > 0 && !ended;) {
    struct pollfd wait = {connection, POLLIN, 0};
    if (poll(&wait, 1, (int)left) > 0) receive_all();
  }
}

static bool all_answered(void) {
  for (int i = 0; i < count; i++)
    if (!peers[i].answered) return false;
  return true;
}

static uint32_t missing(void) {
  uint32_t all = 0;
  for (int i = 0; i < count; i++)
    for (int p = 0; p <= period; p++) all += peers[i].sent[p] - peers[i].received[p];
  return all;
}

int main(int arguments, char** argv) {
  if (arguments < 3 || arguments - 2 > kPeers) {
    fprintf(stderr, "usage: talk MILLISECONDS IPV4-ADDRESS...\n");
    return 2;
  }
  const int64_t every = strtol(argv[1], NULL, 0);
  for (count = 0; count < arguments - 2; count++) {
    peers[count].text = argv[count + 2];
    peers[count].address.sin_family = AF_INET;
    if (inet_pton(AF_INET, peers[count].text, &peers[count].address.sin_addr) != 1) return 2;
  }
  connection = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  const uint32_t filter = ~(1u << ICMP_ECHOREPLY);
  const int room = 4 << 20;
  if (connection < 0 || setsockopt(connection, SOL_RAW, kFilter, &filter, sizeof filter) != 0 ||
      setsockopt(connection, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0) {
    perror("talk");
    return 1;
  }
  signal(SIGUSR1, begin_period);
  signal(SIGTERM, end);
  signal(SIGUSR2, give_up);
  while (!all_answered() && !ended) {
    for (int i = 0; i < count; i++)
      if (!peers[i].answered) send_to(i, false);
    wait_until(now() + 500);
  }
  puts("ready");
  fflush(stdout);
  for (int64_t next = now(); !ended; next += every) {
    wait_until(next);
    if (next < now() - 10 * every) next = now();  // after a long wait: not all at once
    for (int i = 0; i < count && !ended; i++) send_to(i, true);
  }
  // Not by the clock: an emulated one may run at another speed.
  while (missing() > 0 && !given_up) {
    struct pollfd wait = {connection, POLLIN, 0};
    if (poll(&wait, 1, 50) > 0) receive_all();
  }
  for (int p = 0; p <= period; p++)
    for (int i = 0; i < count; i++)
      printf("period=%d to=%s sent=%u received=%u\n", p, peers[i].text, peers[i].sent[p], peers[i].received[p]);
  return 0;
}
