#!/bin/sh
# Installs Countersign from the tarball that this script lies in, for distributions without a package of ours.
#
#   ./install.sh                    installs or upgrades; nothing runs before `countersign configure`
#   ./install.sh --uninstall        takes the program and the service away, and keeps key, state and options
#   ./install.sh --uninstall --purge     takes the device out of the cloud, and leaves nothing; ends with 3 where the portal could not be told
set -eu
cd "$(dirname "$0")"
# What is installed is for everybody, whatever the account's own umask is for.
umask 022

COUNTERSIGN_SCRIPTS

if [ "$(id -u)" != 0 ]; then echo "error: run this as root" >&2; exit 1; fi
units="usr/lib/systemd/system/countersign.service usr/lib/systemd/system/countersign.path usr/lib/systemd/system-preset/80-countersign.preset"
manual="usr/share/bash-completion/completions/countersign usr/share/fish/vendor_completions.d/countersign.fish usr/share/zsh/site-functions/_countersign"
for page in usr/share/man/man1/*; do manual="$manual $page"; done
# put MODE FILE: renamed into place, since a program that runs can't be written to.
put() {
  mkdir -p "/$(dirname "$2")"
  cp "$2" "/$2.new" && chmod "$1" "/$2.new" && mv -f "/$2.new" "/$2"
}
case "${1-}" in
  "")
    machine=$(uname -m)
    case "$machine" in
      x86_64 | amd64) processor=amd64 ;;
      aarch64 | arm64) processor=arm64 ;;
      *) processor=$machine ;;
    esac
    if [ "$processor" != COUNTERSIGN_ARCHITECTURE ]; then
      echo "error: this tarball is for COUNTERSIGN_ARCHITECTURE, and this machine is $machine: take the one for it" >&2
      exit 1
    fi
    if [ -e /usr/bin/countersign ]; then kind=upgrade; else kind=first; fi
    for file in $units usr/share/doc/countersign/* $manual; do put 644 "$file"; done
    put 755 usr/bin/countersign
    mkdir -p /etc/countersign || echo "note: options can't be put into /etc/countersign; countersign configure takes them all the same" >&2
    countersign_installed $kind
    echo "installed; now: countersign configure --userDomain example.com --cloudName cloud.example.net --deviceTokenFile -"
    ;;
  --uninstall)
    status=0
    countersign_removing
    if [ "${2-}" = --purge ]; then
      # The one that is installed can run; where this tarball lies, nothing may.
      program=/usr/bin/countersign
      [ -e $program ] || program=$PWD/usr/bin/countersign
      countersign_leaving "$program" || status=3
    fi
    for file in usr/bin/countersign $units $manual; do rm -f "/$file"; done
    rm -rf /usr/share/doc/countersign
    if [ "${2-}" = --purge ]; then countersign_purged; else rmdir /etc/countersign 2>/dev/null || :; fi
    if [ $status = 0 ]; then echo "uninstalled"; else echo "uninstalled; the portal was not told"; fi
    exit $status
    ;;
  *) echo "error: no such option; there are --uninstall and --uninstall --purge" >&2; exit 2 ;;
esac
