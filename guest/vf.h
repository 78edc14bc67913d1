// A virtual function's registers, configuration space and rings from user space, past any driver: what vfpoke's parts
// share. Offsets are those of the 82599 and X550 virtual functions, as Linux's ixgbevf uses them.
//
// While a driver owns the VF, the kernel lets nobody else map its registers: unbind the driver, or boot with
// iomem=relaxed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  kFunctionControl = 0x00,
  kFunctionReset = 1 << 26,
  kFunctionStatus = 0x08,
  kMailboxMemory = 0x200,
  kMailbox = 0x2FC,
  kMailboxWords = 16,

  kRxRing = 0x1000,  // queue 0; 0x40 bytes a queue
  kTxRing = 0x2000,
  kQueueStride = 0x40,
  kQueues = 2,
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
  kHeaderBytes = 14,
};

struct options {
  char device[256];   // 0000:00:02.0
  const char* mac;    // of frames that are sent; null: the interface's own, or the one that RESET was answered with
  uint32_t queue, length, times;
  long wait_ms;
  unsigned bar;
  bool reset;  // first, and before each address
};

__attribute__((noreturn, format(printf, 2, 3))) void fail(int status, const char* format, ...);
uint64_t number(const char* text, const char* what, uint64_t most);
void pause_ms(long ms);

// The first Intel Ethernet function, into `device`.
void find_device(char device[256]);
// Its BAR; get() and put() go there from now on. How large it is.
size_t map_bar(const char* device, unsigned bar);
uint32_t get(uint32_t offset);
void put(uint32_t offset, uint32_t value);
// An unbound VF neither answers on its BAR nor masters the bus.
void enable_device(const char* device);
// Its configuration space, open for reading and writing.
int open_config(const char* device);

// One page that stays where it is, and its guest-physical address.
void* own_page(uint64_t* address);

bool stop_ring(uint32_t ring);
bool start_ring(uint32_t ring, uint64_t base);

// A message to the PF and its answer; false if none comes in time.
bool ask(const uint32_t* words, int count, uint32_t answer[kMailboxWords], long ms);
// Resets the function and tells the PF, as drivers do, for up to five seconds: false if the PF will not have it. `mac`
// is the address that the PF answers with.
bool reset_function(uint8_t mac[6]);
// From text; null: of the interface that a driver has made of this function.
void parse_mac(const char* text, const char* device, uint8_t mac[6]);

// The verbs. Each prints key=value lines and returns the exit status.
int attack(const struct options* options, const char* kind, char** addresses, int count);
int send_frame(const struct options* options, const char* to, const char* from, const char* type);
int race(const struct options* options, const char* other);
int config_access(const struct options* options, char** words, int count);
int config_sweep(const struct options* options);
int mail(const struct options* options, char** words, int count);
int flood(const struct options* options, char** words, int count);
int canary(const char* secret);
