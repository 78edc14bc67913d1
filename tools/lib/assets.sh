# shellcheck shell=bash
# What a rack's guests are started from, and which accelerator really boots them here.

# probe_boot ACCEL SECONDS: boots the guest without a VF and waits for it to say so on its control port
probe_boot() {
  local accel=$1 deadline=$((SECONDS + $2)) folder pid answer=1
  folder=$(mktemp -d)
  "$qemu_program" -nodefaults -no-user-config -display none -machine q35,memory-backend=ram -accel "$accel" -cpu max -m 256M \
    -object memory-backend-memfd,id=ram,size=256M,share=on -kernel "$kernel_folder/vmlinux" \
    -initrd "$initramfs_folder/initramfs.cpio" -append "console=ttyS0 panic=-1 ladon.name=probe" -no-reboot \
    -serial "file:$folder/console" -serial "file:$folder/control" &
  pid=$!
  while ((SECONDS < deadline)) && kill -0 "$pid" 2>/dev/null; do
    if grep -q '^FAILED no VF' "$folder/control" 2>/dev/null; then answer=0; break; fi
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  if ((answer)); then
    echo "no answer under -accel $accel in the $2 s allowed; the end of the console:"
    tail -n 20 -- "$folder/console" 2>/dev/null || true
  fi
  rm -rf -- "$folder"
  return "$answer"
}

# probe_accelerators FILE: writes the first that works. KVM may be there and still not boot a stock kernel.
probe_accelerators() {
  local file=$1 accel
  local -A patience=([kvm]=8 [tcg,thread=multi]=90)
  for accel in kvm tcg,thread=multi; do
    if [[ $accel == kvm && ! (-r /dev/kvm && -w /dev/kvm) ]]; then
      echo "/dev/kvm is not there, or not for $(id -un)"
      continue
    fi
    if probe_boot "$accel" "${patience[$accel]}"; then
      echo "$accel" >"$file"
      return 0
    fi
  done
  die "the guest boots neither under KVM nor under TCG" "this log has the end of its console"
}

# accel_provide: sets accel. Probed once a boot of this machine, for each QEMU, kernel and user.
accel_provide() {
  local key file
  key=$(printf '%s\n' "$(cat /proc/sys/kernel/random/boot_id)" "$EUID" "$(ls -l /dev/kvm 2>&1)" "$qemu_program" \
    "$(qemu_version "$qemu_program")" "$(cat -- "$kernel_folder/version")" | sha256sum | cut -c 1-16)
  file=$ladon_cache/accel-$key
  if [[ ! -s $file ]]; then
    step "find out whether KVM boots the guest" probe_accelerators "$file"
    cache_prune accel
  fi
  accel=$(cat -- "$file")
}

# json_string TEXT
json_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# assets_write FOLDER: assets.json there names it all; "checks" is there only where they were asked for
assets_write() {
  local folder=$1 initramfs=$initramfs_folder/initramfs.cpio kernel=$kernel_folder/vmlinux kernel_version version checks=
  if [[ -n $checks_folder ]]; then checks=", \"checks\": $(json_string "$checks_folder/checks.cpio")"; fi
  kernel_version=$(cat -- "$kernel_folder/version")
  version=$(qemu_version "$qemu_program")
  mkdir -p -- "$folder"
  printf '{"qemu": %s, "qemu_version": %s, "kernel": %s, "kernel_version": %s, "initramfs": %s, "accel": %s%s}\n' \
    "$(json_string "$qemu_program")" "$(json_string "$version")" "$(json_string "$kernel")" \
    "$(json_string "$kernel_version")" "$(json_string "$initramfs")" "$(json_string "$accel")" "$checks" >"$folder/assets.json.new"
  mv -- "$folder/assets.json.new" "$folder/assets.json"
}
