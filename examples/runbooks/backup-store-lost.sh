#!/usr/bin/env bash
# The backups are gone, the live system is well: begin anew before anything else happens.
#
#   backup-store-lost.sh [--yes] [--copy-back COMMAND] [--export FILE]...
#
#   --copy-back COMMAND   brings a copy of the backup bucket back into its place, where you have one: a shell command such
#                         as 'rclone copy offsite:dcs-backups vault:dcs-backups' or 'cp -a /mnt/usb/dcs-backups /mnt/backups/'
#   --export FILE         an archive that `dcs backup export` once wrote, to be read through and counted
#   --yes                 do not ask
#
# Needs: dcs and its configuration (DCS_CONFIG, ./dcs.toml or /etc/dcs/dcs.toml), whose [backup] names a store that works:
# the old one, mended, or a new one. Until the first backup is made there is nothing to go back to: delete nothing, upgrade
# nothing, and tell those who could.
# shellcheck source=examples/runbooks/common.sh
. "$(dirname "$0")/common.sh"

copy_back=
exports=()
while (($#)); do
    case $1 in
    --yes) yes=1 ;;
    --copy-back) copy_back=${2:?--copy-back needs a command} && shift ;;
    --export) exports+=("${2:?--export needs a file}") && shift ;;
    -h | --help) usage && trap - EXIT && exit 0 ;;
    *) wrong_usage "there is no option $1" ;;
    esac
    shift
done

# list_backups: 0 there is a repository, 1 there is none; another failure ends the runbook
list_backups() {
    local code=0
    run dcs backup list || code=$?
    case $code in
    0) return 0 ;;
    5 | 10) return 1 ;;
    *) exit "$code" ;;
    esac
}

step 'are the backups really gone?'
# Exit code 20 means that the store does not answer: that is no loss yet. Mend the network, the key or the mount first, or
# name another store in [backup] of dcs.toml.
if list_backups; then
    [[ -z $copy_back ]] || refuse 'the repository answers: a copy is not written over it. Run this without --copy-back.'
    say 'There is a repository: what it lists is not lost. Going on makes a new backup, and removes nothing.'
fi

if [[ -n $copy_back ]]; then
    step 'bring the copy back'
    ask "Run: $copy_back ?"
    run sh -c "$copy_back"
    list_backups || refuse 'the copy was brought back, and there is still no repository: was it the whole bucket?'
fi

if ((${#exports[@]})); then
    step 'what the exported archives hold'
    # They are whole .tar.gz files: tar reads them, pg_restore the dumps in them. Keep them where they are.
    for file in "${exports[@]}"; do
        count=$(gzip -dc -- "$file" | tar -t | wc -l)
        say "$file: readable to its end, $count entries"
    done
fi

step 'a repository'
# Makes the bucket where it is missing; one that is there already is left as it is.
ask 'Make a repository where [backup] says, and a first backup of everything?'
run dcs init

step 'a full backup'
# Reads everything, also what an older backup would make it pass over: trust nothing that was in the lost place.
run dcs backup complete --full --note 'after the loss of the backups'

step 'does it hold what it should?'
run dcs verify latest --level contents

step 'what there is now'
run dcs backup list

say "
There is a good backup again. What is lost is what is not in the list above: every older state, and whatever was deleted
from the live system and was only in a backup. Now:
  - tell who relies on it from which day on there are backups;
  - prove that it restores:                  dcs verify latest --level restore
  - have a copy elsewhere, before the next time: another disk, another place, another account."
