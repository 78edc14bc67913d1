# shellcheck shell=bash
# Other people's checks of a NIC, for a guest: testpmd of Debian's DPDK, with the driver of our VFs, and csum of the
# kernel's own selftests (tools/testing/selftests/net/lib/csum.c, in Debian's linux-source). An archive that is put
# behind the guests' root file system.

checks_folder=''

# checks_source: the newest source package; csum came with 6.3, wherefore Debian 12's first kernel does not have it
checks_source() {
  apt-cache search --names-only '^linux-source-[0-9.]+$' 2>/dev/null | cut -d ' ' -f 1 | sort -V | tail -n 1
}

# checks_compile SCRATCH PROGRAM
checks_compile() {
  local scratch=$1 program=$2 archive source
  archive=$(dpkg-deb --fsys-tarfile "$scratch"/package/linux-source-*.deb | tar -t | grep '\.tar\.xz$')
  dpkg-deb --fsys-tarfile "$scratch"/package/linux-source-*.deb | tar -x -O "$archive" | xz -dc |
    tar -x -C "$scratch" --strip-components=1 --wildcards '*/tools/testing/selftests/*.h' \
      '*/tools/testing/selftests/*/csum.c'
  source=$(find "$scratch" -name csum.c -print -quit)
  [[ -n $source ]] || die "$archive has no csum.c" "use linux-source 6.3 or newer"
  gcc -O2 -static -s -I "$scratch/tools/testing/selftests" -o "$program" "$source"
}

# checks_build SCRATCH NEW
checks_build() {
  local scratch=$1 new=$2 root=$1/root
  mkdir -p -- "$root"/{bin,lib} "$new"
  checks_compile "$scratch" "$root/bin/csum"
  copy_program "$(command -v dpdk-testpmd)" "$root"
  # testpmd knows the drivers of NICs; that of its buffers it loads.
  install -m 644 -- "$(find /usr/lib -path '*/dpdk/pmds-*/librte_mempool_ring.so' -print -quit)" "$root/lib/"
  (cd -- "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet -o -H newc --owner=0:0 --reproducible) \
    >"$new/checks.cpio"
}

# checks_provide: sets checks_folder
checks_provide() {
  local scratch key
  key=$(cat -- "$ladon_root/tools/lib/checks.sh" "$(command -v dpdk-testpmd)" | sha256sum | cut -c 1-16)
  checks_folder=$ladon_cache/checks-$key
  if cache_valid "$checks_folder"; then return 0; fi
  scratch=$(cache_scratch checks)
  need_lists checks_source
  step "download the kernel's selftests" download_packages "$scratch/package" checks_source linux-source
  step "build the checks of a NIC" checks_build "$scratch" "$scratch/new"
  cache_publish "$scratch/new" "$checks_folder"
  cache_prune checks
  rm -rf -- "$scratch"
}
