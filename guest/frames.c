// frames INTERFACE TO TYPE LENGTH COUNT MS [WORD...]: sends COUNT frames of LENGTH bytes to the MAC address TO, one every
// MS milliseconds; each ends in the next of the WORDs (32 bits, little endian), again and again, and is otherwise 0xC3.
// Static, for the guest's root file system: what attackers have others send them.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kMost = 9014 };

int main(int count, char** arguments) {
  static uint8_t frame[kMost];
  if (count < 7) {
    fprintf(stderr, "usage: frames INTERFACE MAC TYPE LENGTH COUNT MILLISECONDS [WORD...]\n");
    return 2;
  }
  const size_t length = strtoul(arguments[4], NULL, 0);
  const long frames = strtol(arguments[5], NULL, 0), ms = strtol(arguments[6], NULL, 0);
  if (length < 64 || length > kMost ||
      sscanf(arguments[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &frame[0], &frame[1], &frame[2], &frame[3], &frame[4],
             &frame[5]) != 6)
    return 2;
  const int connection = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  struct ifreq own = {0};
  strncpy(own.ifr_name, arguments[1], IFNAMSIZ - 1);
  if (connection < 0 || ioctl(connection, SIOCGIFHWADDR, &own) != 0) {
    perror("frames");
    return 1;
  }
  memset(frame + ETH_HLEN, 0xC3, length - ETH_HLEN);
  memcpy(frame + 6, own.ifr_hwaddr.sa_data, 6);
  const uint16_t type = htons((uint16_t)strtoul(arguments[3], NULL, 0));
  memcpy(frame + 12, &type, sizeof type);
  const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(arguments[1])};
  long sent = 0;
  for (long i = 0; i < frames; i++) {
    if (count > 7) {
      const uint32_t word = (uint32_t)strtoul(arguments[7 + i % (count - 7)], NULL, 0);
      memcpy(frame + length - sizeof word, &word, sizeof word);
    }
    sent += sendto(connection, frame, length, 0, (const struct sockaddr*)&to, sizeof to) == (ssize_t)length;
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
  }
  printf("sent=%ld\n", sent);
  return 0;
}
