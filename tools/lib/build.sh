# shellcheck shell=bash
# Building with CMake and Ninja, in build/PRESET.

# unrandomized PRESET COMMAND...: ThreadSanitizer cannot lay out its memory where a kernel randomizes addresses
# widely, so its programs run without, if that is allowed here
unrandomized() {
  local preset=$1
  shift
  if [[ $preset == tsan ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

configure() { (cd -- "$ladon_root" && cmake --preset "$1"); }

# compile PRESET TARGET...; without a target, everything
compile() {
  local preset=$1
  shift
  unrandomized "$preset" nice ninja -C "$ladon_build/$preset" -j "$(build_jobs)" "$@"
}

# build PRESET TARGET...: silent when there is nothing to do
build() {
  local preset=$1
  shift
  if [[ ! -f $ladon_build/$preset/build.ninja ]]; then step "configure $preset" configure "$preset"; fi
  step_hide_below=1
  step "build $preset${*:+ ($*)}" compile "$preset" "$@"
  step_hide_below=0
}
