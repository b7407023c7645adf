#!/usr/bin/env bash
# One book (or app) was deleted by mistake: bring it back, and nothing else.
#
#   book-deleted.sh [--yes] KIND/ID
#   book-deleted.sh [--yes] [--backup ID] KIND/ID STORE/BUCKET/FOLDER/ [DATABASE URL TABLE COLUMN]
#
#   KIND/ID        the item, as in books/42. Deleted by dcs, it is in the trash, and this is all that is needed
#   .../FOLDER/    the folder its objects lay in, as in live/books/42/, where it was deleted by other means
#   DATABASE       the database of its row, by its name in the configuration, as in dream; where it lies:
#   URL            as psql takes it, postgres://dcs@127.0.0.1/dream (password in PGPASSWORD or ~/.pgpass), or sqlite:/FILE
#   TABLE COLUMN   the table, with its schema in PostgreSQL, and its column for the id: public.books id
#   --backup ID    the backup to take; without it, the newest good one that still holds the folder
#   --yes          do not ask
#
# Needs: dcs and its configuration (DCS_CONFIG, ./dcs.toml or /etc/dcs/dcs.toml), psql or sqlite3 for the row.
# Only what is missing is added: objects that are there and differ go to the trash before they are replaced, a row that is
# there stays as it is. The row comes out of a copy of its table, restored beside the live database and dropped again.
# shellcheck source=examples/runbooks/common.sh
. "$(dirname "$0")/common.sh"

backup=
words=()
while (($#)); do
    case $1 in
    --yes) yes=1 ;;
    --backup) backup=${2:?--backup needs an ID} && shift ;;
    -h | --help) usage && trap - EXIT && exit 0 ;;
    -*) wrong_usage "there is no option $1" ;;
    *) words+=("$1") ;;
    esac
    shift
done
case ${#words[@]} in
1 | 2 | 6) ;;
*) wrong_usage 'give KIND/ID, its folder, and for the row DATABASE URL TABLE COLUMN' ;;
esac
item=${words[0]}
id=${item#*/}
folder=${words[1]:-}
[[ $item == ?*/?* ]] || wrong_usage "$item is no KIND/ID"
[[ -z $folder || $folder == ?*/?*/?*/ ]] || wrong_usage "write the folder as STORE/BUCKET/FOLDER/, with the slash at its end"
database=${words[2]:-}
url=${words[3]:-}
table=${words[4]:-}
column=${words[5]:-}

# good_backups KIND...: of these kinds, the newest first
good_backups() {
    local kinds
    kinds=$(IFS='|' && printf '%s' "$*")
    dcs backup list | awk -v kinds="-($kinds)-" '$2 == "good" && $1 ~ kinds { print $1 }' | sort -r
}

step 'is it in the trash?'
code=0
run dcs restore "$item" --dry-run || code=$?
if ((code == 0)); then
    # Look at who deleted it, when, and why. If it was no mistake, stop here.
    ask "Bring $item back from the trash?"
    run dcs restore "$item"
    say "
$item is back, objects and status. Look at it in the application."
    exit 0
fi
((code == 10)) || exit "$code"
[[ -n $folder ]] || refuse "$item is not in the trash. Name the folder its objects lay in, to take them out of a backup."

step 'which backup still holds it?'
if [[ -z $backup ]]; then
    while read -r candidate; do
        code=0
        dcs backup ls "$candidate" "$folder" >/dev/null 2>&1 || code=$?
        ((code == 0 || code == 10)) || exit "$code"
        ((code != 0)) || backup=$candidate
        [[ -z $backup ]] || break
    done < <(good_backups complete files)
    [[ -n $backup ]] || refuse "no good backup holds anything below $folder: is the folder right? See dcs backup ls."
fi
# Look at the names and sizes: is that all of it? If not, choose an older backup with --backup.
run dcs backup ls --long "$backup" "$folder"

step 'bring its objects back'
run dcs restore-files "$backup" --only "$folder" --dry-run
ask "Restore the objects of $item?"
run dcs restore-files "$backup" --only "$folder" --yes

# The row

# database_url URL NAME: the same server, another database
database_url() {
    local address=${1%%\?*} query=
    [[ $1 != *\?* ]] || query="?${1#*\?}"
    printf '%s/%s%s' "${address%/*}" "$2" "$query"
}
sql() { psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --set "id=$id" "$@"; }

# all but the generated ones, which cannot be written
columns_of_postgres() {
    sql "$1" <<SQL
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
SQL
}
copy_in_postgres() {
    local columns there copy=$1
    columns=$(columns_of_postgres "$copy")
    there=$(sql "$url" <<<"SELECT count(*) FROM $table WHERE $column::text = :'id';")
    ((there == 0)) || { say "the row $id of $table is there: left as it is" && return 0; }
    sql "$copy" <<<"COPY (SELECT $columns FROM $table WHERE $column::text = :'id') TO STDOUT;" >"$scratch/row"
    [[ -s $scratch/row ]] || refuse "the backup $from holds no row $id of $table: choose an older one with --backup."
    say "the row: $(cat "$scratch/row")"
    sql "$url" --command "COPY $table ($columns) FROM STDIN" <"$scratch/row"
}
copy_in_sqlite() {
    local columns there copy=$1 live=${url#sqlite:} key
    key="CAST($column AS TEXT) = '${id//\'/\'\'}'"
    columns=$(sqlite3 "$copy" "SELECT group_concat('\"' || replace(name, '\"', '\"\"') || '\"') FROM pragma_table_info('$table')")
    there=$(sqlite3 "$live" "SELECT count(*) FROM $table WHERE $key")
    ((there == 0)) || { say "the row $id of $table is there: left as it is" && return 0; }
    there=$(sqlite3 "$copy" "SELECT count(*) FROM $table WHERE $key")
    ((there > 0)) || refuse "the backup $from holds no row $id of $table: choose an older one with --backup."
    sqlite3 -bail "$live" "ATTACH '${copy//\'/\'\'}' AS copy" \
        "INSERT INTO main.$table ($columns) SELECT $columns FROM copy.$table WHERE $key"
}

if [[ -n $database ]]; then
    step 'a copy of its table, beside the live database'
    from=
    while read -r candidate; do
        # Of the time of that backup or before it: a later one may have been made after the row went.
        [[ $candidate > $backup ]] || from=$candidate
        [[ -z $from ]] || break
    done < <(good_backups complete db)
    [[ -n $from ]] || refuse "no good backup of $database is as old as $backup."
    side=${database}_book_$(date -u +%Y%m%d%H%M%S)
    scratch=$(mktemp -d)
    if [[ $url == sqlite:* ]]; then
        run dcs restore-db "$from" --only "$database" --into "$side"
        side=$(dirname "${url#sqlite:}")/$side
    else
        run dcs restore-db "$from" --only "$database" --into "$side" --table "$table"
    fi

    step 'put its row back'
    say "out of the copy $side, which is removed afterwards; if this stops here, remove it by hand"
    if [[ $url == sqlite:* ]]; then
        copy_in_sqlite "$side"
        rm -f -- "$side" "$side-wal" "$side-shm"
    else
        copy_in_postgres "$(database_url "$url" "$side")"
        sql "$url" --command "DROP DATABASE \"$side\""
    fi
    rm -rf -- "$scratch"
fi

say "
$item is back. Look at it in the application. Rows of other tables that went with it (reviews, tags) are not brought back
by this: look for them in a copy of the whole database, dcs restore-db --only ${database:-NAME} --into NAME_look."
