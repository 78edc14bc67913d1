// Defaults for the fuzzers, which build and drop a small rack for every input; the environment still
// overrides them. Short allocation stacks and a small quarantine save a third of the time; for a report with
// whole stacks run the input that was found with ASAN_OPTIONS=malloc_context_size=30.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "malloc_context_size=2:quarantine_size_mb=16:detect_stack_use_after_return=0:allocator_release_to_"
         "os_interval_ms=-1";
}
