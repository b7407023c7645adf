# Shared by the scripts that have to install something: . tests/lib.sh

as_root() {
    if ((EUID == 0)); then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "not root, and there is no sudo: ask an administrator to run: $*" >&2
        return 1
    fi
}

# install_packages PACKAGE...: the lists are fetched anew only when the packages cannot be had without
install_packages() {
    command -v apt-get >/dev/null || {
        echo "there is no apt-get here to install them with: $*" >&2
        return 1
    }
    local install=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300
        install -y --no-install-recommends "$@")
    "${install[@]}" </dev/null || { as_root apt-get -q -o DPkg::Lock::Timeout=300 update </dev/null && "${install[@]}" </dev/null; }
}

# What tests hold backups and other texts against: another reader of the format, the tools that RECOVERY.txt needs, and
# those that read man pages, scripts, crontabs and completions.
need_reading_tools() {
    local packages=()
    command -v python3 >/dev/null || packages+=(python3)
    command -v zstd >/dev/null || packages+=(zstd)
    command -v sqlite3 >/dev/null || packages+=(sqlite3)
    command -v groff >/dev/null || packages+=(groff-base)
    command -v promtool >/dev/null || packages+=(prometheus)
    command -v faketime >/dev/null || packages+=(faketime)
    command -v openssl >/dev/null || packages+=(openssl)
    command -v shellcheck >/dev/null || packages+=(shellcheck)
    command -v crontab >/dev/null || packages+=(cron)
    command -v zsh >/dev/null || packages+=(zsh)
    command -v fish >/dev/null || packages+=(fish)
    ((${#packages[@]} == 0)) && return
    echo "installing ${packages[*]}" >&2
    install_packages "${packages[@]}" >&2
}

# The C parts of dcs (SQLite, the cryptography of TLS) are compiled from source.
need_compiler() {
    command -v cc >/dev/null && return
    echo 'installing a C compiler (build-essential)' >&2
    install_packages build-essential >&2
}
