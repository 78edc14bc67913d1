#include "vf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile uint8_t* registers;

enum { kMailReq = 1 << 0, kMailAck = 1 << 1, kMailVfu = 1 << 2, kMailPfSts = 1 << 4 };
static const uint32_t kMessageReset = 0x01, kMessageAck = 0x80000000;

void fail(int status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("vfpoke: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(status);
}

uint64_t number(const char* text, const char* what, uint64_t most) {
  char* end;
  errno = 0;
  const uint64_t value = strtoull(text, &end, 0);
  if (errno || end == text || *end || *text == '-' || value > most)
    fail(2, "%s is '%s', but must be a number from 0 to 0x%" PRIx64, what, text, most);
  return value;
}

uint32_t get(uint32_t offset) { return *(volatile uint32_t*)(registers + offset); }
void put(uint32_t offset, uint32_t value) { *(volatile uint32_t*)(registers + offset) = value; }

void pause_ms(long ms) {
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

void find_device(char device[256]) {
  DIR* folder = opendir("/sys/bus/pci/devices");
  if (!folder) fail(1, "/sys/bus/pci/devices: %s", strerror(errno));
  for (struct dirent* entry; (entry = readdir(folder));) {
    char class[32], vendor[32];
    if (entry->d_name[0] == '.' || !device_text(entry->d_name, "class", class, sizeof class) ||
        !device_text(entry->d_name, "vendor", vendor, sizeof vendor))
      continue;
    if (strncmp(class, "0x0200", 6) == 0 && strncmp(vendor, "0x8086", 6) == 0 &&
        (!*device || strcmp(entry->d_name, device) < 0))
      snprintf(device, 256, "%s", entry->d_name);
  }
  closedir(folder);
  if (!*device) fail(1, "there is no Intel Ethernet function; name one with -d");
}

size_t map_bar(const char* device, unsigned bar) {
  char path[512];
  struct stat status;
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/resource%u", device, bar);
  const int file = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) < 0) fail(1, "%s: %s", path, strerror(errno));
  const size_t size = (size_t)status.st_size;
  void* mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED)
    fail(1, "%s: %s%s", path, strerror(errno),
         errno == EINVAL ? " (unbind the driver, or boot with iomem=relaxed)" : "");
  close(file);
  registers = mapped;
  return size;
}

int open_config(const char* device) {
  char path[512];
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/config", device);
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) fail(1, "%s: %s", path, strerror(errno));
  return file;
}

void enable_device(const char* device) {
  uint16_t command;
  const int file = open_config(device);
  if (pread(file, &command, sizeof command, 4) != sizeof command) fail(1, "configuration space: %s", strerror(errno));
  if ((command & 0x6) != 0x6) {
    command |= 0x6;  // memory space, bus master
    if (pwrite(file, &command, sizeof command, 4) != sizeof command)
      fail(1, "configuration space: %s", strerror(errno));
  }
  close(file);
}

void* own_page(uint64_t* address) {
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

bool stop_ring(uint32_t ring) {
  put(ring + kControl, kControlFlush);
  return wait_enabled(ring, false);
}

bool start_ring(uint32_t ring, uint64_t base) {
  put(ring + kBaseLow, (uint32_t)base);
  put(ring + kBaseHigh, (uint32_t)(base >> 32));
  put(ring + kLength, kDescriptors * kDescriptorBytes);
  put(ring + kHead, 0);
  put(ring + kTail, 0);
  put(ring + kControl, kControlEnable);
  return wait_enabled(ring, true);
}

bool ask(const uint32_t* words, int count, uint32_t answer[kMailboxWords], long ms) {
  put(kMailbox, kMailVfu);
  for (int i = 0; i < count; i++) put(kMailboxMemory + 4 * (uint32_t)i, words[i]);
  put(kMailbox, kMailReq);
  for (long i = 0; i <= ms; i++) {
    if (get(kMailbox) & kMailPfSts) {
      for (uint32_t w = 0; w < kMailboxWords; w++) answer[w] = get(kMailboxMemory + 4 * w);
      put(kMailbox, kMailAck);
      return true;
    }
    if (ms > 0) pause_ms(1);
  }
  return false;
}

bool reset_function(uint8_t mac[6]) {
  uint32_t answer[kMailboxWords];
  for (int tries = 0; tries < 10; tries++) {
    for (uint32_t ring = 0; ring < kQueues; ring++) {
      put(kRxRing + ring * kQueueStride + kControl, 0);
      put(kTxRing + ring * kQueueStride + kControl, 0);
    }
    put(kFunctionControl, kFunctionReset);
    (void)get(kFunctionStatus);
    if (ask(&kMessageReset, 1, answer, 250) && (answer[0] & ~0x20000000u) == (kMessageReset | kMessageAck)) {
      for (int i = 0; i < 6; i++) mac[i] = (uint8_t)(answer[1 + i / 4] >> i % 4 * 8);
      return true;
    }
    pause_ms(250);
  }
  return false;
}

void parse_mac(const char* text, const char* device, uint8_t mac[6]) {
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
