#!/usr/bin/env bash
# Objects are gone, or are not what they were: bring them back from a backup.
#
#   files-lost.sh [--yes] [--backup ID | --at TIME] [STORE/BUCKET[/FOLDER/]...]
#
#   STORE/BUCKET   what to bring back, as in live/books or live/books/42/; without any, all that the backup holds
#   --backup ID    the backup to take; without it, the newest good one that holds files
#   --at TIME      the newest good one of that time, as in 2026-11-20T02:00:00Z: the last one before they were lost
#   --yes          do not ask
#
# Needs: dcs and its configuration (DCS_CONFIG, ./dcs.toml or /etc/dcs/dcs.toml), the backup store and the live store.
# Nothing is lost by it: what is missing is added, what differs goes to the trash before it is replaced, what is the same
# is left alone, and what came since the backup stays.
# shellcheck source=examples/runbooks/common.sh
. "$(dirname "$0")/common.sh"

choice=()
while (($#)); do
    case $1 in
    --yes) yes=1 ;;
    --backup) choice+=("${2:?--backup needs an ID}") && shift ;;
    --at) choice+=(--at "${2:?--at needs a time}") && shift ;;
    -h | --help) usage && trap - EXIT && exit 0 ;;
    -*) wrong_usage "there is no option $1" ;;
    *) choice+=(--only "$1") ;;
    esac
    shift
done

step 'which backups there are'
# Look at STATE and OBJECTS. A backup that was made after the loss does not hold what is lost: a newest one with far fewer
# objects than those before it is not called good for that very reason. Choose an older one with --backup or --at.
run dcs backup list

step 'what a restore would do'
# Look at "add": about as much as is missing? And at "replace": what somebody changed on purpose since the backup would
# become what it was. Then name the folders that you want back, instead of everything.
run dcs restore-files "${choice[@]}" --dry-run

step 'bring them back'
ask 'Add what is missing, and replace what differs (which goes to the trash)?'
run dcs restore-files "${choice[@]}" --yes

step 'is it all there?'
# Nothing should be left to add or to replace.
run dcs restore-files "${choice[@]}" --dry-run

say "
The objects are back. Now:
  - look at the application;
  - rows and objects may not agree any more: dcs check names each difference, and what mends it;
  - make a backup of what there is:          dcs backup complete
  - what was replaced is in the trash:       dcs trash list"
