// Counts what a thread allocates, by replacing the program's operator new: include it in one file of a
// program.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ladon::fakes {
inline thread_local std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++ladon::fakes::allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
