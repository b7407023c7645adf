#!/usr/bin/env bash
# Backs up a small system, destroys it, and brings it back: no server, no account, one folder.
#
#   examples/quickstart.sh [DIR]       DIR (default: ./dcs-quickstart) must not exist yet
#   DCS_BIN=/path/to/dcs               uses this binary instead of building one
#
# Every command is printed before it runs, with a $ in front; what follows is its real output.
set -euo pipefail
export LC_ALL=C.UTF-8

source_dir=$(cd "$(dirname "$0")/.." && pwd)
. "$source_dir/tests/lib.sh"
folder=${1:-dcs-quickstart}
binary=${DCS_BIN:-}
# Settings that this shell has for another dcs would lead this one to the wrong place.
for variable in "${!DCS_@}"; do unset "$variable"; done

fail() {
    printf '\nquickstart: %s\n' "$*" >&2
    exit 1
}
note() { printf '\n# %s\n' "$*"; }
run() {
    local code=0
    printf '$ %s\n' "$1"
    eval "$1" || code=$?
    ((code == 0)) || fail "this failed with exit code $code:  $1   (the folder is $PWD)"
}
dcs() { "$binary" "$@"; }

# What it needs

if [[ -z $binary ]]; then
    command -v cargo >/dev/null || fail 'cargo is not installed: install the Rust toolchain, or set DCS_BIN to a dcs binary'
    need_compiler || fail 'there is no C compiler: SQLite and TLS are compiled from C'
    cargo build --release --locked --bin dcs --manifest-path "$source_dir/Cargo.toml" || fail 'dcs could not be built'
    binary=${CARGO_TARGET_DIR:-$source_dir/target}/release/dcs
fi
binary=$(realpath -- "$binary") && [[ -x $binary ]] || fail "there is no dcs binary at '${DCS_BIN:-$binary}'"

if ! command -v sqlite3 >/dev/null; then
    echo 'quickstart: installing sqlite3, which makes the example database' >&2
    install_packages sqlite3 >&2 || fail 'the sqlite3 command is not installed, and could not be'
fi

[[ ! -e $folder ]] || fail "'$folder' exists already: remove it, or name another folder"
mkdir -p -- "$folder"
cd -- "$folder"
here=$PWD

# A small live system: two buckets, a database, a configuration

note 'A live system: books and apps as objects, their records in a database.'
mkdir -p live/books/{1,2,3} live/apps/reader etc vault state
printf 'Whatever can be lost will be, once.\n' >live/books/1/text.txt
printf 'One page.\n' >'live/books/1/Träume und Räume.txt'
seq 1 20000 >live/books/2/numbers.txt
: >live/books/2/empty
seq 1 50000 | gzip -9n >live/books/3/scan.gz
printf '#!/bin/sh\necho reading\n' >live/apps/reader/start
head -c 300000 /dev/zero | tr '\0' '\252' >live/apps/reader/image.bin
printf 'services:\n  dream:\n    image: dream:1\n' >etc/compose.yaml
sqlite3 dream.db <<'SQL'
CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT NOT NULL, author TEXT, status TEXT NOT NULL DEFAULT 'published');
INSERT INTO books VALUES
    (1, 'The Lost Page', 'A. Writer', 'published'),
    (2, 'Numbers, Räume, "Träume"', NULL, 'published'),
    (3, 'It''s a Scan', 'B. Copier', 'draft');
CREATE INDEX books_by_title ON books (title);
SQL

cat >dcs.toml <<TOML
state_dir = "$here/state"

[stores.live]                      # what is to be protected: a folder of buckets (or endpoint = an S3 server)
path = "$here/live"

[stores.vault]                     # where the backups go: another disk, an NFS mount, an S3 server elsewhere
path = "$here/vault"

[databases.dream]
url = "sqlite:$here/dream.db"

[trash]                            # where a restore puts what it replaces
store = "live"
bucket = "trash"

[backup]
store = "vault"
bucket = "dcs-backups"
databases = ["dream"]
files = ["live/*"]
config = ["$here/etc"]
TOML

run 'find live -type f | sort | xargs -d "\n" sha256sum | tee before.sha256'
run 'sqlite3 dream.db .dump > before.sql && sqlite3 dream.db "SELECT * FROM books"'

note 'Back it up, and read everything back.'
run 'dcs init'
run 'dcs backup complete'
run 'dcs backup list'
run 'dcs verify --level contents'

note 'Disaster: both buckets are gone, and so is the table.'
run 'rm -rf live/books live/apps'
run 'sqlite3 dream.db "DROP TABLE books"'

note 'Bring everything back.'
run 'dcs restore-complete --yes'

note 'The same, byte for byte?'
run 'find live/books live/apps -type f | sort | xargs -d "\n" sha256sum > after.sha256 && diff before.sha256 after.sha256 && echo "files: identical"'
run 'sqlite3 dream.db .dump > after.sql && diff before.sql after.sql && echo "database: identical"'
run 'diff -r etc "$(find dcs-restored-* -type d -name etc)" && echo "configuration: identical, laid out for review"'

cat <<END

It works. Everything is in $here; remove that folder when done. Worth trying there, with dcs being
$binary:

    dcs backup show                                             what the backup holds
    echo changed > live/books/1/text.txt; dcs restore-files     a restore shows its plan, and asks
    cat vault/dcs-backups/backups/*/RECOVERY.txt                how to restore by hand, without dcs
    dcs config example                                          a configuration with every key explained
END
