// Two guests that say anything through their mailboxes to the NIC and the management host's PF driver: each
// message is answered or counted, the clear-to-send flag stays where drivers look for it, the rate holds,
// what was not granted is not had, and a third guest notices nothing.
//
// The input: actions, a byte as mailbox::Correspondence::act lists them, and its operands.
#include "mailbox/correspondence.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace ladon::fuzz;
  constexpr int kMostActions = 200;
  Input input(bytes, size);
  mailbox::Correspondence conversation(input);
  for (int i = 0; i < kMostActions && !input.empty(); ++i) conversation.act();
  conversation.check();
  return 0;
}
