#!/usr/bin/env bash
# The whole machine is gone: bring databases, objects and configuration back on a new one.
#
#   machine-lost.sh --repo URL [--yes] [--backup ID] [--config-to FOLDER] \
#       [--store NAME=URL]... [--database NAME=URL]...
#
#   --repo URL         the backup bucket: https://HOST[:PORT]/BUCKET, s3://BUCKET on AWS, or /FOLDER/BUCKET; or DCS_REPO
#   --backup ID        the backup to take; without it, the newest good complete one for the configuration, and for
#                      databases and objects the newest good ones that hold them
#   --store NAME=URL   where a store of the backup is now: live=http://127.0.0.1:9000, or live=/srv/objects
#   --database N=URL   where a database is now: dream=postgres://postgres@127.0.0.1/dream; no password here
#   --config-to FOLDER where to lay the configuration out, which must be empty; without it, ./dcs-restored-ID
#   --yes              do not ask
#
# Needs: dcs, the server programs (S3, PostgreSQL) running and empty, pg_restore and psql for PostgreSQL, and from the
# environment the keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the backup store (AWS_REGION=garage for a Garage),
# DCS_STORE_LIVE_ACCESS_KEY_ID and DCS_STORE_LIVE_SECRET_ACCESS_KEY of the store `live` where they are others, PGPASSWORD
# or ~/.pgpass. Where --store or --database is left out, the place is the one that the backup was made of.
# Buckets and databases that are missing are made. Nothing of the old machine is needed.
# shellcheck source=examples/runbooks/common.sh
. "$(dirname "$0")/common.sh"

repo=${DCS_REPO:-}
backup=
places=()
folder=
while (($#)); do
    case $1 in
    --yes) yes=1 ;;
    --repo) repo=${2:?--repo needs a URL} && shift ;;
    --backup) backup=${2:?--backup needs an ID} && shift ;;
    --store | --database) places+=("$1" "${2:?$1 needs NAME=URL}") && shift ;;
    --config-to) folder=${2:?--config-to needs a folder} && shift ;;
    -h | --help) usage && trap - EXIT && exit 0 ;;
    *) wrong_usage "there is no option $1" ;;
    esac
    shift
done
[[ -n $repo ]] || wrong_usage 'where are the backups? Say --repo URL'
export DCS_REPO=$repo

step 'is dcs here, and does the backup bucket answer?'
# Exit code 20: the URL, the key or the network. Look at STATE, at the times, and at PROVEN.
run dcs --version
run dcs backup list

# newest KINDS: the newest good backup of one of them, as in 'complete|db'
newest() { dcs backup list | awk -v kinds="-($1)-" '$2 == "good" && $1 ~ kinds { id = $1 } END { print id }'; }

step 'which backups to take'
complete=${backup:-$(newest complete)}
[[ -n $complete ]] || refuse 'there is no good complete backup. See what the others hold: dcs restore-db -n, dcs restore-files -n.'
database=$complete
files=$complete
if [[ -z $backup ]]; then
    # Where databases are backed up every night and objects every hour, there is something newer than the last complete one.
    database=$(newest 'complete|db')
    files=$(newest 'complete|files')
fi
folder=${folder:-dcs-restored-$complete}
say "databases: $database
objects: $files
configuration: $complete"

step 'is everything there that they name?'
# A listing and no more, so that it takes minutes at most. The restore itself compares every byte with its checksum.
while read -r id; do
    run dcs verify "$id" --level presence
done < <(printf '%s\n' "$complete" "$database" "$files" | sort -u)

step 'what a restore would do'
# Look at every place: is it the new machine, and not one that is in use? A restore adds; what is live and differs is
# kept, databases under another name, objects in the trash.
if [[ $database == "$complete" && $files == "$complete" ]]; then
    run dcs restore-complete "$complete" "${places[@]}" --config-to "$folder" --dry-run

    step 'bring it back'
    # This is what takes long. Interrupted, the same command goes on: what is back is not transferred twice.
    ask 'Restore all of it to these places?'
    run dcs restore-complete "$complete" "${places[@]}" --config-to "$folder" --yes
else
    run dcs restore-db "$database" "${places[@]}" --dry-run
    run dcs restore-files "$files" "${places[@]}" --dry-run

    step 'bring them back'
    # This is what takes long. Interrupted, the same command goes on: what is back is not transferred twice.
    ask 'Restore all of it to these places?'
    run dcs restore-files "$files" "${places[@]}" --yes
    run dcs restore-db "$database" "${places[@]}" --yes

    step "the configuration, out of $complete"
    [[ ! -e $folder ]] || refuse "$folder is there: the configuration is unpacked into a new folder only. Say --config-to."
    mkdir -p -- "$folder"
    # Dumps and configuration stand before all objects in an export, and tar reads no further than it has to.
    { dcs backup export "$complete" - 2>/dev/null || true; } |
        tar -xzO --wildcards --occurrence=1 '*/config/config.tar' | tar -x -C "$folder"
    say "configuration unpacked into $folder: compare it with the live one"
fi

say "
Databases and objects are back. Now:
  - the configuration lies where the line above says, for review: dcs never overwrites one. Compare it with what is here,
    and copy what belongs: /etc/dcs first, then the services;
  - start the application, and look at it;
  - dcs config check                         does the configuration fit the new machine?
  - dcs backup complete                      a backup of the new machine
  - dcs schedule print                       the crontab, if it did not come with the configuration"
