// vfpoke: reads and writes a VF's registers from inside the guest, past the driver, and makes the VF attempt what it
// was never granted. Static, for the guest's root file system.
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vf.h"

static const char kUsage[] =
    "usage: vfpoke [OPTION...] read OFFSET\n"
    "       vfpoke [OPTION...] write OFFSET VALUE\n"
    "       vfpoke [OPTION...] config OFFSET [VALUE]         configuration space, 32 bits\n"
    "       vfpoke [OPTION...] sweep                         writes all of configuration space, and back\n"
    "       vfpoke [OPTION...] reset                         as a driver does before it begins\n"
    "       vfpoke [OPTION...] mail WORD...                  a message to the PF\n"
    "       vfpoke [OPTION...] flood COUNT WORD...           so many of them, as fast as they go\n"
    "       vfpoke [OPTION...] send TO FROM TYPE             a frame; MAC addresses\n"
    "       vfpoke [OPTION...] race MAC                      frames that change into MAC's while they are sent\n"
    "       vfpoke canary SECRET                             a page that holds it; stays, and says where\n"
    "       vfpoke [OPTION...] attack tx-ring ADDRESS...     the transmit ring itself lies at ADDRESS\n"
    "       vfpoke [OPTION...] attack rx-ring ADDRESS...     the receive ring itself lies at ADDRESS\n"
    "       vfpoke [OPTION...] attack tx-read ADDRESS...     a frame's payload lies at ADDRESS, the ring is our own\n"
    "       vfpoke [OPTION...] attack rx-write ADDRESS...    received frames go to ADDRESS, the ring is our own\n"
    "       vfpoke [OPTION...] attack rx-tail ADDRESS...     the same with what a frame has beyond its first KiB\n"
    "  -d BDF     the VF, as 0000:00:02.0 (default: the first Intel Ethernet function)\n"
    "  -b BAR     of read and write, 0\n"
    "  -q QUEUE   0\n"
    "  -r         resets the VF first, and before each address: not beside a driver\n"
    "  -n TIMES   1\n"
    "  -l BYTES   payload of the frame that is sent, 242\n"
    "  -w MS      how long an attack waits before it reports, 1000\n"
    "  -m MAC     source address of the frame that tx-read sends (default: the interface's own)\n"
    "Numbers may be hexadecimal with 0x; ADDRESS may be 'own', for memory of our own. An attack prints key=value;\n"
    "'moved' is how many descriptors the device says it has completed, which is 0 when the access was refused.\n"
    "Exit status: 0 done, 1 not possible, 2 bad usage.\n";

static int reset(void) {
  uint8_t mac[6] = {0};
  const bool done = reset_function(mac);
  printf("alive=%d\nmac=%02x:%02x:%02x:%02x:%02x:%02x\n", done, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  return done ? 0 : 1;
}

static int register_access(const struct options* options, char** words, int count, size_t size) {
  const uint64_t offset = number(words[0], "the offset", UINT32_MAX);
  if (options->bar > 5 || offset % 4 || offset + 4 > size)
    fail(2, "the offset is 0x%" PRIx64 ", but must be a multiple of 4 below 0x%zx", offset, size);
  if (count == 1)
    printf("0x%08" PRIx32 "\n", get((uint32_t)offset));
  else
    put((uint32_t)offset, (uint32_t)number(words[1], "the value", UINT32_MAX));
  return 0;
}

// -1: not a verb with so many words.
static int run(struct options* options, const char* verb, char** words, int count) {
  const bool is_canary = strcmp(verb, "canary") == 0 && count == 1;
  if (is_canary) return canary(words[0]);
  if (!*options->device) find_device(options->device);
  if (strcmp(verb, "config") == 0 && (count == 1 || count == 2)) return config_access(options, words, count);
  if (strcmp(verb, "sweep") == 0 && count == 0) return config_sweep(options);
  enable_device(options->device);
  const size_t size = map_bar(options->device, options->bar);
  if (strcmp(verb, "read") == 0 && count == 1) return register_access(options, words, count, size);
  if (strcmp(verb, "write") == 0 && count == 2) return register_access(options, words, count, size);
  if (strcmp(verb, "reset") == 0 && count == 0) return reset();
  if (strcmp(verb, "mail") == 0 && count >= 1) return mail(options, words, count);
  if (strcmp(verb, "flood") == 0 && count >= 2) return flood(options, words, count);
  if (strcmp(verb, "send") == 0 && count == 3) return send_frame(options, words[0], words[1], words[2]);
  if (strcmp(verb, "race") == 0 && count == 1) return race(options, words[0]);
  if (strcmp(verb, "attack") == 0 && count >= 2) return attack(options, words[0], words + 1, count - 1);
  return -1;
}

int main(int argc, char** argv) {
  struct options options = {.length = 242, .times = 1, .wait_ms = 1000};
  for (int option; (option = getopt(argc, argv, "+d:b:q:rn:l:w:m:h")) != -1;) switch (option) {
      case 'd': snprintf(options.device, sizeof options.device, "%s", optarg); break;
      case 'b': options.bar = (unsigned)number(optarg, "the BAR", 5); break;
      case 'q': options.queue = (uint32_t)number(optarg, "the queue", 7); break;
      case 'r': options.reset = true; break;
      case 'n': options.times = (uint32_t)number(optarg, "how often", 1000000); break;
      case 'l': options.length = (uint32_t)number(optarg, "the payload", 9000); break;
      case 'w': options.wait_ms = (long)number(optarg, "the wait", 3600000); break;
      case 'm': options.mac = optarg; break;
      case 'h': fputs(kUsage, stdout); return 0;
      default: fputs(kUsage, stderr); return 2;
    }
  char** words = argv + optind;
  const int count = argc - optind;
  const int status = count == 0 ? -1 : run(&options, words[0], words + 1, count - 1);
  if (status < 0) fputs(kUsage, stderr);
  return status < 0 ? 2 : status;
}
