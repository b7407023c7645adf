#!/usr/bin/env bash
# A database is damaged or holds the wrong data: bring it back from a backup.
#
#   database-corrupted.sh [--yes] [--backup ID | --at TIME] DATABASE
#
#   DATABASE       its name in the configuration, as in [databases.dream]
#   --backup ID    the backup to take; without it, the newest good one that holds the database
#   --at TIME      the newest good one of that time, as in 2026-11-20T02:00:00Z: the last one before the damage was done
#   --yes          do not ask
#
# Needs: dcs and its configuration (DCS_CONFIG, ./dcs.toml or /etc/dcs/dcs.toml), the backup store, the database server,
# and pg_restore and psql for PostgreSQL. The live database is not touched before the restored one is loaded and compared.
# It is kept beside the restored one, to look at, to take rows out of, and to go back to.
# shellcheck source=examples/runbooks/common.sh
. "$(dirname "$0")/common.sh"

backup=()
database=
while (($#)); do
    case $1 in
    --yes) yes=1 ;;
    --backup) backup=("${2:?--backup needs an ID}") && shift ;;
    --at) backup=(--at "${2:?--at needs a time}") && shift ;;
    -h | --help) usage && trap - EXIT && exit 0 ;;
    -*) wrong_usage "there is no option $1" ;;
    *) [[ -z $database ]] || wrong_usage 'one database at a time' && database=$1 ;;
    esac
    shift
done
[[ -n $database ]] || wrong_usage 'which database?'

step 'which backups there are'
# Look at the column STATE, and at the times. Damage that crept in days ago is in the backups since then: choose an older
# one with --backup or --at. A database that is whole and only holds wrong rows may be better served by taking the right
# rows out of a copy beside it: dcs restore-db --only NAME --into NAME_look.
run dcs backup list

step 'what a restore would do'
# Look at "of": everything that was written since then is lost from the live database, and kept beside it.
run dcs restore-db "${backup[@]}" --only "$database" --dry-run

step 'bring it back'
# Better nothing writes to the database now. [restore] before and after of dcs.toml can stop and start the application.
ask "Put the database $database of that backup in the place of the live one?"
run dcs restore-db "${backup[@]}" --only "$database" --yes

step 'what was live until now, and how to go back to it'
# A file that was no database any more cannot be put back. It is kept all the same, beside the restored one.
run dcs restore-db --undo "$database" --dry-run || say 'There is no going back by dcs; what was displaced is kept.'

say "
The database $database is back. Now:
  - look at the application, and at the rows that you know;
  - make a backup of it as it is:            dcs backup db $database
  - it was the wrong backup? Go back with:   dcs restore-db --undo $database
  - what was displaced stays, and takes room, until you remove it."
