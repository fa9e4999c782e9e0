#!/bin/sh
# Installs the pi-server binary for this machine: finds the right one, checks its SHA-256 sum, puts it in place in
# one step. Nothing is installed when anything is wrong.
#
#   PI_SERVER_VERSION      a version such as 1.2.3; default: the latest release
#   PI_SERVER_INSTALL_DIR  where to put it; default: ~/.local/bin
#   PI_SERVER_BASE_URL     folder with the binaries and SHA256SUMS, in place of a release
#   PI_SERVER_REPOSITORY   OWNER/NAME on GitHub whose releases to take; a released copy of this script knows its own
set -eu

repository="${PI_SERVER_REPOSITORY:-}"
version="${PI_SERVER_VERSION:-latest}"
folder="${PI_SERVER_INSTALL_DIR:-${HOME:-}/.local/bin}"
work=

say() { printf 'pi-server: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
clean() { [ -z "$work" ] || rm -rf "$work"; }
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

has() { command -v "$1" >/dev/null 2>&1; }

# The part of the file's name that says what it is for.
target() {
  os="$(uname -s)"
  machine="$(uname -m)"
  case "$machine" in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no binary for $os on $machine; with Node 20 or later: npm install --global pi-server" ;;
  esac
  case "$os" in
    Linux)
      # What runs on glibc does not start on musl, and the loader's message would be no help.
      if [ -z "${PI_SERVER_ANY_LIBC:-}" ] && (ldd --version 2>&1 || true) | grep -qi musl; then
        fail "the Linux binaries need glibc, and this system has musl; with Node 20 or later: npm install --global pi-server"
      fi
      echo "linux-$arch"
      ;;
    Darwin)
      # A shell under Rosetta says x86_64.
      if [ "$arch" = x64 ] && [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" = 1 ]; then arch=arm64; fi
      echo "macos-$arch"
      ;;
    MINGW* | MSYS* | CYGWIN*) fail "on Windows use install.ps1 in PowerShell" ;;
    *) fail "there is no binary for $os on $machine; with Node 20 or later: npm install --global pi-server" ;;
  esac
}

base() {
  if [ -n "${PI_SERVER_BASE_URL:-}" ]; then
    echo "${PI_SERVER_BASE_URL%/}"
  elif [ -z "$repository" ]; then
    fail "this copy does not know where releases are; set PI_SERVER_REPOSITORY=OWNER/NAME or PI_SERVER_BASE_URL"
  elif [ "$version" = latest ]; then
    echo "https://github.com/$repository/releases/latest/download"
  else
    echo "https://github.com/$repository/releases/download/v${version#v}"
  fi
}

# fetch URL FILE
fetch() {
  if has curl; then
    curl --fail --silent --show-error --location --retry 2 --output "$2" "$1"
  elif has wget; then
    wget --quiet --output-document="$2" "$1"
  else
    fail "neither curl nor wget is there to download with"
  fi
}

sum() {
  if has sha256sum; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif has shasum; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  else
    fail "neither sha256sum nor shasum is there to check the download with"
  fi
}

main() {
  [ "$folder" != /.local/bin ] || fail "HOME is not set; set PI_SERVER_INSTALL_DIR"
  file="pi-server-$(target)"
  url="$(base)"
  work="$(mktemp -d)"
  say "downloading $url/$file"
  fetch "$url/SHA256SUMS" "$work/SHA256SUMS" || fail "$url/SHA256SUMS cannot be downloaded; is there such a version?"
  expected="$(awk -v name="$file" '$2 == name { print $1 }' "$work/SHA256SUMS")"
  [ -n "$expected" ] || fail "$url/SHA256SUMS does not list $file: that release has no binary for this system"
  fetch "$url/$file" "$work/$file" || fail "$url/$file cannot be downloaded"
  actual="$(sum "$work/$file")"
  [ "$actual" = "$expected" ] ||
    fail "the checksum of $file is wrong, nothing was installed (expected $expected, got $actual)"
  chmod 755 "$work/$file"
  installed="$("$work/$file" --version)" || fail "$file does not run on this system, nothing was installed"
  # A rename would put it into such a folder.
  [ ! -d "$folder/pi-server" ] || fail "$folder/pi-server is a folder; set PI_SERVER_INSTALL_DIR to another place"
  mkdir -p "$folder" || fail "$folder cannot be made; set PI_SERVER_INSTALL_DIR to a folder that you may write to"
  # Beside its place first: a rename replaces a running program, a copy onto it fails.
  if ! { cp "$work/$file" "$folder/.pi-server.$$" && mv -f "$folder/.pi-server.$$" "$folder/pi-server"; }; then
    rm -f "$folder/.pi-server.$$"
    fail "$folder cannot be written to; set PI_SERVER_INSTALL_DIR to a folder that you may write to"
  fi
  say "installed $installed as $folder/pi-server"
  case ":${PATH:-}:" in
    *":$folder:"*) ;;
    *) say "$folder is not in your PATH; add it, or start $folder/pi-server" ;;
  esac
}

main
