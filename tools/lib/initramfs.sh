# shellcheck shell=bash
# The guests' root file system: busybox, iperf3, ethtool, lighttpd, the driver's modules, and what is in guest/.

# copy_program PROGRAM ROOT: with the libraries and the loader that it needs, at their own paths; those found in
# LD_LIBRARY_PATH go to /lib
copy_program() {
  local program=$1 root=$2 file
  install -D -m 755 -- "$program" "$root/bin/${program##*/}"
  while read -r file; do
    if [[ -n ${LD_LIBRARY_PATH:-} && $file == "$LD_LIBRARY_PATH"/* ]]; then
      install -D -m 755 -- "$file" "$root/lib/${file##*/}"
    else
      install -D -m 755 -- "$file" "$root$file"
    fi
  done < <(ldd "$program" | grep -o '/[^ ]*')
}

# initramfs_key: changes when anything that goes in does
initramfs_key() {
  local iperf3 ethtool
  iperf3=$(command -v iperf3)
  ethtool=$(PATH=$PATH:/usr/sbin:/sbin command -v ethtool)
  cat -- "$ladon_root"/guest/* "$ladon_root/tools/lib/initramfs.sh" "$kernel_folder/SHA256SUMS" \
    "$server_folder/SHA256SUMS" "$(command -v busybox)" "$iperf3" "$ethtool" | sha256sum | cut -c 1-16
}

# compile_guest PROGRAM SOURCE...: from guest/, static
compile_guest() {
  local program=$1
  shift
  gcc -std=gnu17 -O2 -Wall -Wextra -Werror -static -s -o "$program" "${@/#/$ladon_root/guest/}"
}

initramfs_build() {
  local new=$1 root=$1/root applet program
  mkdir -p -- "$root"/{bin,sbin,dev,proc,sys,tmp,run,etc,root,srv,usr,var,lib/modules}
  ln -s -- ../bin ../sbin "$root/usr/"
  cp -- "$(command -v busybox)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    if [[ $applet != busybox ]]; then ln -s busybox "$root/bin/$applet"; fi
  done
  copy_program "$(command -v iperf3)" "$root"
  copy_program "$(PATH=$PATH:/usr/sbin:/sbin command -v ethtool)" "$root"
  LD_LIBRARY_PATH=$server_folder/lib copy_program "$server_folder/lighttpd" "$root"
  install -m 644 -- "$ladon_root/guest/lighttpd.conf" "$root/etc/lighttpd.conf"
  printf '%099d\n' 0 >"$root/srv/index.html"
  cp -- "$kernel_folder"/modules/* "$root/lib/modules/"
  for program in frames talk tcpsend; do compile_guest "$root/bin/$program" "$program.c"; done
  compile_guest "$root/bin/vfpoke" vf.c vfattack.c vfmisc.c vfpoke.c
  install -m 755 -- "$ladon_root/guest/vf-report" "$root/bin/vf-report"
  install -m 755 -- "$ladon_root/guest/init" "$root/init"
  echo 'root::0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  echo '127.0.0.1 localhost' >"$root/etc/hosts"
  (cd -- "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet -o -H newc --owner=0:0 --reproducible) \
    >"$new/initramfs.cpio"
  rm -rf -- "$root"
}

# initramfs_provide: sets initramfs_folder
initramfs_provide() {
  local scratch
  initramfs_folder=$ladon_cache/initramfs-$(initramfs_key)
  if cache_valid "$initramfs_folder"; then return 0; fi
  scratch=$(cache_scratch initramfs)
  step "build the guests' root file system" initramfs_build "$scratch"
  cache_publish "$scratch" "$initramfs_folder"
  cache_prune initramfs
}
