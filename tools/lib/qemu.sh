# shellcheck shell=bash
# A QEMU that is a vfio-user client (10.1 or later): the system's own, else one from Debian's backports that
# is unpacked in the cache and leaves the system alone.

qemu_least=10.1
qemu_suite=trixie
qemu_folder=$ladon_cache/qemu

# qemu_version PROGRAM
qemu_version() { "$1" --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'; }

# qemu_usable PROGRAM: new enough, and with the device
qemu_usable() {
  local version
  version=$(qemu_version "$1") || return 1
  [[ -n $version && $(printf '%s\n%s\n' "$qemu_least" "$version" | sort -V | head -n 1) == "$qemu_least" ]] &&
    "$1" -device vfio-user-pci,help >/dev/null 2>&1
}

# debian_mirrors: the addresses that the system's own apt fetches Debian from, best first
debian_mirrors() {
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets --no-release-info --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "main" && $2 !~ /security|updates|backports/ && $3 !~ /^cdrom:/ && !seen[$3]++ { print $3 }'
}

debian_keyring() {
  local keyring
  for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [[ -f $keyring ]]; then echo "$keyring"; return 0; fi
  done
  die "Debian's archive keyring is not in /usr/share/keyrings" "apt-get install debian-archive-keyring"
}

# private_apt FOLDER MIRROR: an apt of its own, with no installed packages, that checks signatures as ever
private_apt() {
  local folder=$1 mirror=$2 keyring
  keyring=$(debian_keyring)
  mkdir -p -- "$folder/lists/partial" "$folder/cache/archives/partial"
  : >"$folder/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$qemu_suite" "$keyring" "$mirror" "$qemu_suite-backports" \
    >"$folder/sources.list"
  cat >"$folder/apt.conf" <<END
Dir::State "$folder";
Dir::State::lists "$folder/lists";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
}

# qemu_read_lists FOLDER: from the first mirror that has the suite
qemu_read_lists() {
  local folder=$1 mirror
  for mirror in $(debian_mirrors); do
    echo "trying $mirror"
    private_apt "$folder" "$mirror"
    if apt-get -c "$folder/apt.conf" update; then return 0; fi
  done
  die "no Debian mirror in this system's apt sources has a usable $qemu_suite-backports" \
    "check the network and /etc/apt/sources.list*, or install QEMU $qemu_least or later yourself"
}

qemu_download() {
  local folder=$1 closure
  closure=$(apt-get -c "$folder/apt.conf" install -s -t "$qemu_suite-backports" qemu-system-x86 |
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p')
  [[ -n $closure ]] || die "apt found no way to install qemu-system-x86 from $qemu_suite-backports"
  mkdir -p -- "$folder/packages"
  cd -- "$folder/packages"
  # shellcheck disable=SC2086 # one word a package
  apt-get -c "$folder/apt.conf" download $closure
}

# qemu_unpack APT_FOLDER NEW: keeps the emulator, its libraries, its modules and its firmware
qemu_unpack() {
  local folder=$1 new=$2 all=$1/all package libraries=usr/lib/x86_64-linux-gnu
  mkdir -p -- "$all"
  for package in "$folder"/packages/*.deb; do
    echo "$package"
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$all" --no-same-owner
  done
  mkdir -p -- "$new/lib" "$new/bin"
  find "$all/$libraries" -maxdepth 1 -name '*.so*' -exec cp -a -t "$new/lib" -- {} +
  cp -a -- "$all/$libraries/qemu" "$new/lib/qemu"
  cp -- "$all/usr/bin/qemu-system-x86_64" "$new/bin/"
  cp -a -- "$all/usr/share/qemu" "$new/firmware"
  cp -an -- "$all/usr/share/seabios/." "$new/firmware/"
  cat >"$new/qemu-system-x86_64" <<'END'
#!/bin/sh
# Runs the QEMU in this folder with its own loader, libraries, modules and firmware.
here=$(dirname -- "$(readlink -f -- "$0")")
export QEMU_MODULE_DIR="$here/lib/qemu"
exec "$here/lib/ld-linux-x86-64.so.2" --argv0 qemu-system-x86_64 --library-path "$here/lib" \
  "$here/bin/qemu-system-x86_64" -L "$here/firmware" "$@"
END
  chmod +x "$new/qemu-system-x86_64"
  qemu_usable "$new/qemu-system-x86_64" ||
    die "the unpacked QEMU does not start or has no vfio-user-pci" "run $new/qemu-system-x86_64 -device vfio-user-pci,help"
}

# qemu_provide: makes sure that there is one, and sets qemu_program
qemu_provide() {
  local scratch system
  system=$(command -v qemu-system-x86_64 || true)
  if [[ -n $system ]] && qemu_usable "$system"; then
    qemu_program=$system
    return 0
  fi
  qemu_program=$qemu_folder/qemu-system-x86_64
  if cache_valid "$qemu_folder"; then return 0; fi
  scratch=$(cache_scratch qemu)
  step "read Debian's list of backports" qemu_read_lists "$scratch/apt"
  step "download QEMU" qemu_download "$scratch/apt"
  step "unpack QEMU" qemu_unpack "$scratch/apt" "$scratch/new"
  cache_publish "$scratch/new" "$qemu_folder"
  rm -rf -- "$scratch"
}
