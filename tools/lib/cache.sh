# shellcheck shell=bash
# Folders in the cache: built aside, listed with their sha256 sums, renamed into place, and checked on each
# use. An interrupted run leaves only a scratch folder behind, which the next one removes.

# cache_valid FOLDER: every listed file is there and unchanged; and it has been used now
cache_valid() {
  [[ -f $1/SHA256SUMS ]] && (cd -- "$1" && sha256sum --check --status --strict SHA256SUMS 2>/dev/null) && touch -- "$1"
}

# cache_scratch NAME: prints a new empty folder beside the final one. The caller holds the lock.
cache_scratch() {
  rm -rf -- "$ladon_cache/scratch-$1"
  mkdir -p -- "$ladon_cache/scratch-$1"
  echo "$ladon_cache/scratch-$1"
}

# cache_publish SCRATCH FOLDER
cache_publish() {
  local scratch=$1 folder=$2
  (cd -- "$scratch" && find . -xtype f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) >"$scratch.sums"
  mv -- "$scratch.sums" "$scratch/SHA256SUMS"
  rm -rf -- "$folder"
  mv -T -- "$scratch" "$folder"
}

# cache_prune NAME: of the entries NAME-*, which other checkouts may use, the three used last stay
cache_prune() {
  local old
  # shellcheck disable=SC2012 # our own names, by time
  for old in $(cd -- "$ladon_cache" && ls -dt "$1"-* | tail -n +4); do
    rm -rf -- "${ladon_cache:?}/$old"
  done
}
