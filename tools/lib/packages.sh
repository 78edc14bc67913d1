# shellcheck shell=bash
# The Debian packages that Ladon needs, and how they are installed.

# To build Ladon and to run its racks. The test libraries are here too: they are small, and one configured
# build tree then serves every tool.
# shellcheck disable=SC2034 # for tools/setup and tools/build
packages_run=(
  g++ cmake ninja-build ccache pkg-config
  libcli11-dev libyaml-cpp-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libpcap-dev
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev
  busybox-static iperf3 httperf ethtool cpio xz-utils zstd lz4
  iproute2 iputils-ping debian-archive-keyring ca-certificates
)

# To test and check it.
# shellcheck disable=SC2034 # for tools/setup
packages_test=(
  clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev shellcheck python3 git tshark dpdk-dev
  python3-pytest python3-pip python3-setuptools python3-wheel
)

# What tools/bench measures beside Ladon: DPDK's testpmd and its drivers, whose names end in their interface's
# version. Some 110 packages with what they need, 170 MB.
# shellcheck disable=SC2034 # for tools/bench
packages_dpdk=(dpdk-dev 'librte-net-vhost[0-9]+' 'librte-net-virtio[0-9]+' 'librte-mempool-ring[0-9]+' python3)

# packages_named PATTERN...: prints those whose whole names match, by the lists that apt has read
packages_named() {
  local pattern
  for pattern in "$@"; do
    apt-cache pkgnames | grep -Ex -- "$pattern" || die "no package is called $pattern here"
  done
}

# packages_missing NAME...: prints those that are not installed
packages_missing() {
  local name state
  declare -A installed=()
  while IFS=' ' read -r name state; do
    if [[ $state == installed ]]; then installed[$name]=1; fi
  done < <(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    if [[ -z ${installed[$name]:-} ]]; then echo "$name"; fi
  done
}

apt_quietly() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 --no-install-recommends "$@"
}

check_system() {
  local architecture
  command -v apt-get >/dev/null || die "this is not a Debian system: there is no apt-get" "use Debian 12 or 13"
  architecture=$(dpkg --print-architecture)
  [[ $architecture == amd64 ]] ||
    die "the guests are amd64 and this machine is $architecture" "use an amd64 Debian 12 or 13"
}

# install_packages NAME...: nothing at all when all are there
install_packages() {
  local -a missing
  mapfile -t missing < <(packages_missing "$@")
  if ((${#missing[@]} == 0)); then return 0; fi
  need_root "installing ${missing[*]}"
  step "read the package lists" apt_quietly update
  step "install ${#missing[@]} packages" apt_quietly install "${missing[@]}"
}

# download_packages FOLDER NAMES WHAT: the packages that NAMES prints, a function that asks apt's lists and prints nothing
# where they do not have them; not installed
download_packages() {
  local folder=$1 names=$2 what=$3
  local -a packages
  mkdir -p -- "$folder"
  cd -- "$folder"
  mapfile -t packages < <("$names")
  if ((${#packages[@]})) && apt-get -o APT::Sandbox::User=root download "${packages[@]}"; then return 0; fi
  echo "reading the package lists again: $what is not known, or no longer on the mirror"
  as_root apt-get -o DPkg::Lock::Timeout=300 update
  mapfile -t packages < <("$names")
  ((${#packages[@]})) || die "apt does not know $what" "add Debian's main archive to the apt sources"
  apt-get -o APT::Sandbox::User=root download "${packages[@]}"
}

# need_lists NAMES: root, if apt's lists have to be read before NAMES prints anything
need_lists() {
  if [[ -z $("$1") ]]; then need_root "reading the package lists"; fi
}
