# shellcheck shell=bash
# The guests' kernel: Debian's of this system's release, unpacked in the cache, not installed. The cloud kernel, unless
# another flavour is asked for: the generic one has the drivers of more NICs, to compare with.

kernel_image=linux-image-cloud-amd64
# Each driver that a guest may use, and the modules that it takes; virtio is there to be compared with, VLAN interfaces
# and drivers in user space to test with.
declare -A kernel_drivers=([ixgbevf]=ixgbevf [virtio_net]='virtio_pci virtio_net' [8021q]=8021q
  [uio_pci_generic]=uio_pci_generic)

# kernel_choose [generic]: sets kernel_folder
kernel_choose() {
  local drivers
  if [[ ${1:-} == generic ]]; then
    kernel_image=linux-image-amd64
    kernel_drivers[igbvf]='igb igbvf'
  fi
  drivers=$(printf '%s\n' "$kernel_image" "${kernel_drivers[@]}" | LC_ALL=C sort | sha256sum | cut -c 1-16)
  kernel_folder=$ladon_cache/kernel-$drivers
}

# little_endian FILE OFFSET BYTES: prints the number there
little_endian() { od -An -v -t "u$3" -j "$2" -N "$3" -- "$1" | tr -d ' '; }

# decompress MAGIC: a filter
decompress() {
  case $1 in
    1f8b*) gzip -dc ;;
    fd377a585a00*) xz -dc ;;
    28b52ffd*) zstd -dc ;;
    02214c18*) lz4 -dc ;;
    *) die "compressed in a way that is not known here (first bytes $1)" ;;
  esac
}

# kernel_extract BZIMAGE VMLINUX: the ELF kernel that the boot image carries compressed. The x86 boot protocol's
# header (Documentation/arch/x86/boot.rst) says where: setup_sects at 0x1f1, "HdrS" at 0x202, payload_offset at
# 0x248, payload_length at 0x24c. Starting from the ELF file spares the guest its own decompression.
kernel_extract() {
  local image=$1 vmlinux=$2 sectors start length magic
  [[ $(dd if="$image" bs=1 skip=$((0x202)) count=4 status=none) == HdrS ]] || die "$image is not an x86 boot image"
  sectors=$(little_endian "$image" $((0x1f1)) 1)
  start=$((((sectors ? sectors : 4) + 1) * 512 + $(little_endian "$image" $((0x248)) 4)))
  length=$(little_endian "$image" $((0x24c)) 4)
  magic=$(od -An -v -t x1 -j "$start" -N 6 -- "$image" | tr -d ' ')
  # All formats but gzip, which has it anyway, are followed by four bytes with the unpacked size.
  if [[ $magic != 1f8b* ]]; then length=$((length - 4)); fi
  dd if="$image" iflag=skip_bytes,count_bytes bs=1M skip="$start" count="$length" status=none | decompress "$magic" >"$vmlinux"
  [[ $(od -An -t x1 -N 4 -- "$vmlinux" | tr -d ' ') == 7f454c46 ]] || die "what $image carries is not an ELF file"
}

# kernel_module TREE NAME TO LIST: copies a module, decompressed, after all that it depends on, and appends their
# names to LIST in the order in which they are to be loaded; what is built in needs neither
kernel_module() {
  local tree=$1 name=$2 to=$3 list=$4 file magic need
  if grep -qsx "$name" "$list" || grep -qs "/${name//_/[-_]}\.ko$" "$tree"/modules.builtin; then return 0; fi
  file=$(find "$tree" -name "${name//_/[-_]}.ko*" -print -quit)
  [[ -n $file ]] || die "this kernel has no module $name" "use a Debian cloud or generic kernel"
  case $file in
    *.ko) cp -- "$file" "$to/$name.ko" ;;
    *)
      magic=$(od -An -v -t x1 -N 6 -- "$file" | tr -d ' ')
      decompress "$magic" <"$file" >"$to/$name.ko"
      ;;
  esac
  for need in $(tr '\0' '\n' <"$to/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
    kernel_module "$tree" "$need" "$to" "$list"
  done
  echo "$name" >>"$list"
}

kernel_package() {
  apt-cache depends --important "$kernel_image" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p'
}

# kernel_unpack SCRATCH NEW
kernel_unpack() {
  local scratch=$1 new=$2 image tree driver module
  mkdir -p -- "$scratch/all" "$new/modules"
  dpkg-deb --fsys-tarfile "$scratch"/package/linux-image-*.deb | tar -x -C "$scratch/all" --no-same-owner
  # Newer packages keep them in usr/lib.
  tree=$(find "$scratch/all" -path '*lib/modules/*' -name modules.builtin -printf '%h' -quit)
  image=$(find "$scratch/all/boot" -name 'vmlinuz-*' -print -quit)
  kernel_extract "$image" "$new/vmlinux"
  for driver in "${!kernel_drivers[@]}"; do
    : >"$new/modules/$driver.order"
    for module in ${kernel_drivers[$driver]}; do
      kernel_module "$tree" "$module" "$new/modules" "$new/modules/$driver.order"
    done
  done
  echo "${image##*/vmlinuz-}" >"$new/version"
}

kernel_provide() {
  local scratch
  if cache_valid "$kernel_folder"; then return 0; fi
  scratch=$(cache_scratch kernel)
  need_lists kernel_package
  step "download Debian's kernel" download_packages "$scratch/package" kernel_package "$kernel_image"
  step "unpack the kernel" kernel_unpack "$scratch" "$scratch/new"
  cache_publish "$scratch/new" "$kernel_folder"
  cache_prune kernel
  rm -rf -- "$scratch"
}
