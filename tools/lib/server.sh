# shellcheck shell=bash
# The guests' web server: Debian's lighttpd of this system's release, unpacked in the cache, not installed - its
# package would start it here.

server_folder=$ladon_cache/lighttpd
# Of the servers tried in an emulated guest - busybox' httpd, mini_httpd, nginx, lighttpd - the last two answer thirty
# times as many requests a second as the first, and lighttpd needs three small libraries.

# server_packages: lighttpd and the libraries that it needs and not every system has
server_packages() {
  local libraries
  libraries=$(apt-cache depends --important lighttpd 2>/dev/null |
    sed -n 's/^ *Depends: \(lib[a-z0-9.+-]*\)$/\1/p' | grep -vx 'libc6\|libcrypt1') || return 0
  printf '%s\n' lighttpd "$libraries"
}

# server_unpack SCRATCH NEW: the program and its libraries, side by side
server_unpack() {
  local scratch=$1 new=$2 package
  mkdir -p -- "$scratch/all" "$new/lib"
  for package in "$scratch"/package/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$scratch/all" --no-same-owner
  done
  cp -- "$scratch/all/usr/sbin/lighttpd" "$new/lighttpd"
  find "$scratch/all" -path '*x86_64-linux-gnu/lib*.so.*' -exec cp -t "$new/lib" -- {} +
}

server_provide() {
  local scratch
  if cache_valid "$server_folder"; then return 0; fi
  scratch=$(cache_scratch lighttpd)
  need_lists server_packages
  step "download the guests' web server" download_packages "$scratch/package" server_packages lighttpd
  step "unpack the web server" server_unpack "$scratch" "$scratch/new"
  cache_publish "$scratch/new" "$server_folder"
  rm -rf -- "$scratch"
}
