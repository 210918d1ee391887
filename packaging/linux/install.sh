#!/bin/sh
# Installs Countersign from the tarball that this script lies in, for distributions without a package of ours.
#
#   ./install.sh                    installs or upgrades; nothing runs before `countersign configure`
#   ./install.sh --uninstall        takes the program and the service away, and keeps key, state and options
#   ./install.sh --uninstall --purge     takes the device out of the cloud, and leaves nothing
set -eu
cd "$(dirname "$0")"

COUNTERSIGN_SCRIPTS

if [ "$(id -u)" != 0 ]; then echo "error: run this as root" >&2; exit 1; fi
files="usr/bin/countersign usr/lib/systemd/system/countersign.service usr/lib/systemd/system/countersign.path"
case "${1-}" in
  "")
    if [ -e /usr/bin/countersign ]; then kind=upgrade; else kind=first; fi
    for file in $files usr/share/doc/countersign/*; do
      mkdir -p "/$(dirname "$file")"
      # Renamed into place: a program that runs can't be written to.
      cp "$file" "/$file.new" && mv -f "/$file.new" "/$file"
    done
    countersign_installed $kind
    echo "installed; now: countersign configure --userDomain example.com --cloudName cloud.example.net --deviceTokenFile -"
    ;;
  --uninstall)
    countersign_removing
    for file in $files; do rm -f "/$file"; done
    rm -rf /usr/share/doc/countersign
    if [ "${2-}" = --purge ]; then
      countersign_leaving "$PWD/usr/bin/countersign"
      countersign_purged
    fi
    echo "uninstalled"
    ;;
  *) echo "error: no such option; there are --uninstall and --uninstall --purge" >&2; exit 2 ;;
esac
