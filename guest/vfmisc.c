// vfpoke's verbs for configuration space and mailbox, and the page that others' attacks are judged by.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vf.h"

enum { kConfigBytes = 4096 };

static uint32_t config_read(int file, off_t at) {
  uint32_t value = ~0u;
  if (pread(file, &value, sizeof value, at) != sizeof value) fail(1, "configuration space ends before 0x%lx", (long)at);
  return value;
}

int config_access(const struct options* options, char** words, int count) {
  const off_t at = (off_t)number(words[0], "the offset", kConfigBytes - 4) & ~3;
  const int file = open_config(options->device);
  if (count > 1) {
    const uint32_t value = (uint32_t)number(words[1], "the value", UINT32_MAX);
    if (pwrite(file, &value, sizeof value, at) != sizeof value) fail(1, "configuration space is not written");
  }
  printf("0x%08" PRIx32 "\n", config_read(file, at));
  return 0;
}

// Every double word gets all ones, all zeros, and what it had.
int config_sweep(const struct options* options) {
  static const uint32_t kValues[2] = {~0u, 0};
  const int file = open_config(options->device);
  int written = 0, kept = 0;
  for (off_t at = 0; at < kConfigBytes; at += 4) {
    const uint32_t before = config_read(file, at);
    for (int i = 0; i < 2; i++) {
      written += pwrite(file, &kValues[i], 4, at) == 4;
      kept += config_read(file, at) != before;
    }
    (void)!pwrite(file, &before, sizeof before, at);
  }
  printf("written=%d\ntook_effect=%d\n", written, kept);
  return 0;
}

static int read_words(char** text, int count, uint32_t words[kMailboxWords]) {
  for (int i = 0; i < count && i < kMailboxWords; i++) words[i] = (uint32_t)number(text[i], "a word", UINT32_MAX);
  return count < kMailboxWords ? count : kMailboxWords;
}

// One message, -n times. With more than one, bits 15:0 of word 2 count up and the first message begins a list.
int mail(const struct options* options, char** text, int count) {
  uint32_t words[kMailboxWords] = {0}, answer[kMailboxWords] = {0};
  uint8_t mac[6];
  const int length = read_words(text, count, words);
  if (options->reset && !reset_function(mac)) fail(1, "the PF does not answer a reset");
  uint32_t answered = 0, granted = 0;
  for (uint32_t i = 0; i < options->times; i++) {
    if (!ask(words, length, answer, 500)) break;
    answered++;
    granted += answer[0] >> 31;
    if (options->times > 1) words[0] = (words[0] & 0xffff) | 2u << 16, words[2]++;
  }
  printf("answered=%" PRIu32 "\ngranted=%" PRIu32 "\nanswer=0x%08" PRIx32 "\n", answered, granted, answer[0]);
  return 0;
}

// Messages as fast as they go, whether they are answered or not.
int flood(const struct options* options, char** text, int count) {
  uint32_t words[kMailboxWords] = {0}, answered = 0;
  uint8_t mac[6];
  struct timespec from, to;
  const uint32_t messages = (uint32_t)number(text[0], "the count", 1000000);
  const int length = read_words(text + 1, count - 1, words);
  if (options->reset && !reset_function(mac)) fail(1, "the PF does not answer a reset");
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (uint32_t i = 0; i < messages; i++) {
    uint32_t answer[kMailboxWords];
    answered += ask(words, length, answer, 0);
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  const long ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
  printf("messages=%" PRIu32 "\nanswered=%" PRIu32 "\nmilliseconds=%ld\n", messages, answered, ms);
  return 0;
}

// A page that holds nothing but SECRET (16 bytes in hexadecimal) again and again, for as long as this program runs.
int canary(const char* secret) {
  uint64_t address;
  uint8_t* page = own_page(&address);
  uint8_t bytes[16];
  if (strlen(secret) != 32) fail(2, "the secret must have 32 hexadecimal digits");
  for (int i = 0; i < 16; i++)
    if (sscanf(secret + 2 * i, "%2hhx", &bytes[i]) != 1) fail(2, "the secret must have 32 hexadecimal digits");
  for (int i = 0; i < kPage; i++) page[i] = bytes[i % 16];
  printf("address=0x%" PRIx64 "\n", address);
  fflush(stdout);
  for (;;) pause();
}
