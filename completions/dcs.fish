# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dcs_global_optspecs
    string join \n config= repo= json q/quiet v/verbose log-file= log-format= no-progress color= lock-wait= h/help V/version
end

function __fish_dcs_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dcs_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dcs_using_subcommand
    set -l cmd (__fish_dcs_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dcs -n "__fish_dcs_needs_command" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_needs_command" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_needs_command" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_needs_command" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_needs_command" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_needs_command" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_needs_command" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_needs_command" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_needs_command" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_needs_command" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_needs_command" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "delete" -d 'Move items to the trash'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "restore" -d 'Bring items back out of the trash'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "trash" -d 'Look into the trash, and empty it'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "init" -d 'Make the backup bucket a repository'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "backup" -d 'Make backups and look at them'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "verify" -d 'Prove that a backup is what it was when it was made'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "check" -d 'Compare the rows of all items with their folders and the trash'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "history" -d 'What was done, when, and what came of it'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "catalog" -d 'Look after the catalogue: what dcs keeps in `state_dir` to answer quickly'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "status" -d 'Tell whether all would survive a loss now, and what to do where it would not'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "doctor" -d 'Try what backups and restores will need, before they need it'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "restore-db" -d 'Bring databases back out of a backup'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "restore-files" -d 'Bring objects back out of a backup'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "restore-complete" -d 'Bring the whole system back: databases, files and configuration'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "schedule" -d 'What to run when, from the configuration'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "config" -d 'Look at the configuration'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "man" -d 'Write the man pages into a folder'
complete -c dcs -n "__fish_dcs_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l reason -d 'Why, for those who find it in the trash' -r
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l skip-db -d 'Leave the database alone, for when it is down or has no row'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand delete" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l latest -d 'Take the newest of several entries of an item'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l overwrite -d 'Send what is in the way to the trash'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l skip-db -d 'Leave the database alone'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l yes -d 'Do not ask before something is replaced'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand restore" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -f -a "list" -d 'List what is in the trash, oldest first'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -f -a "show" -d 'Tell what an entry of the trash is: who, when, why, from where, how much'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -f -a "purge" -d 'Destroy what is in the trash, for good'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -f -a "adopt" -d 'Make an entry of a folder that others put into the trash bucket'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and not __fish_seen_subcommand_from list show purge adopt help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l kind -d 'Only entries of items of this kind' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l older-than -d 'Only entries that were made longer ago than this, as in `30d`' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l kind -d 'Only entries of items of this kind' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l older-than -d 'Only entries that were made longer ago than this, as in `30d`' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l all -d 'Every entry'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l yes -d 'Do not ask'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from purge" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l reason -d 'Why, for those who find it in the trash' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from adopt" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "list" -d 'List what is in the trash, oldest first'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "show" -d 'Tell what an entry of the trash is: who, when, why, from where, how much'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "purge" -d 'Destroy what is in the trash, for good'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "adopt" -d 'Make an entry of a folder that others put into the trash bucket'
complete -c dcs -n "__fish_dcs_using_subcommand trash; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand init" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand init" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand init" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand init" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand init" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand init" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand init" -s n -l dry-run -d 'Show what would be made, and make nothing'
complete -c dcs -n "__fish_dcs_using_subcommand init" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand init" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand init" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand init" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand init" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "db" -d 'Back up the databases'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "files" -d 'Back up the files: every object of the configured buckets'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "config" -d 'Back up the configuration: files, folders and what the capture commands print'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "complete" -d 'Back up the databases, the files and the configuration into one backup'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "list" -d 'List the backups, oldest first'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "show" -d 'Show what a backup holds, and what went wrong in it'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "ls" -d 'List the objects of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "cat" -d 'Print one object of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "diff" -d 'Show which objects two backups do not have in common'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "export" -d 'Write a backup as one ordinary .tar.gz'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "protect" -d 'Keep a backup from being deleted'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "unprotect" -d 'Let a protected backup be deleted again'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "accept" -d 'Call a backup good in spite of its problems'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "tag" -d 'Put words on a backup, to list or keep it by'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "delete" -d 'Delete backups, for good'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "prune" -d 'Delete the backups that no rule keeps, and free the room of what none needs'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and not __fish_seen_subcommand_from db files config complete list show ls cat diff export protect unprotect accept tag delete prune help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l table -d 'Dump only this table, a pattern as pg_dump takes it (`public.book*`); may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l schema -d 'Dump only this schema, a pattern; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l exclude-table-data -d 'Leave out the rows of this table, a pattern; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l note -d 'A remark that stays with the backup' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l tag -d 'A word that stays with the backup, to list or keep it by; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l compression -d 'How to compress: gzip:1 to gzip:9, zstd:1 to zstd:19, or none; as [backup].compression says by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l schema-only -d 'Dump no rows, only what they are kept in'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -s n -l dry-run -d 'Show what would be backed up, and store nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from db" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l note -d 'A remark that stays with the backup' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l tag -d 'A word that stays with the backup, to list or keep it by; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l compression -d 'How to compress: gzip:1 to gzip:9, zstd:1 to zstd:19, or none; as [backup].compression says by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l full -d 'Read every object again, whatever earlier backups hold'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -s n -l dry-run -d 'Show what would be backed up, and store nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from files" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l note -d 'A remark that stays with the backup' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l tag -d 'A word that stays with the backup, to list or keep it by; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l compression -d 'How to compress: gzip:1 to gzip:9, zstd:1 to zstd:19, or none; as [backup].compression says by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -s n -l dry-run -d 'Show what would be backed up, and store nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from config" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l note -d 'A remark that stays with the backup' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l tag -d 'A word that stays with the backup, to list or keep it by; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l compression -d 'How to compress: gzip:1 to gzip:9, zstd:1 to zstd:19, or none; as [backup].compression says by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l full -d 'Read every object again, whatever earlier backups hold'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -s n -l dry-run -d 'Show what would be backed up, and store nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from complete" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l kind -d 'Only backups of this kind; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l tag -d 'Only backups with this tag; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l since -d 'Only backups that began then or later: `2026-11-20T02:00:00Z`, or a date, which means its begin in UTC' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l until -d 'Only backups that began then or before: a time, or a date, which means its end in UTC' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -s l -l long -d 'Print size and time too'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from ls" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from cat" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from diff" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from export" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from protect" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from unprotect" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from accept" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l remove -d 'Take this word away; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from tag" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l even-the-last -d 'Delete even the last good backup of something'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -s n -l dry-run -d 'Show what would be deleted, and delete nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l yes -d 'Do not ask'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from delete" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-last -d 'Keep the last N backups' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-hourly -d 'Keep one of each of N hours' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-daily -d 'Keep one of each of N days; 30 where any rule is given' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-weekly -d 'Keep one of each of N weeks' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-monthly -d 'Keep one of each of N months' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-yearly -d 'Keep one of each of N years' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-within -d 'Keep all that began so long ago or later, as in `48h` or `7d`' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-tag -d 'Keep all with this tag; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l grace -d 'Remove what was marked so long ago, as in `24h`, `7d` or `0s`; `grace` of `[backup]` by default, or a day' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -s n -l dry-run -d 'Show what would be removed and marked, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l yes -d 'Do not ask'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from prune" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "db" -d 'Back up the databases'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "files" -d 'Back up the files: every object of the configured buckets'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "config" -d 'Back up the configuration: files, folders and what the capture commands print'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "complete" -d 'Back up the databases, the files and the configuration into one backup'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the backups, oldest first'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what a backup holds, and what went wrong in it'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List the objects of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "cat" -d 'Print one object of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Show which objects two backups do not have in common'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write a backup as one ordinary .tar.gz'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "protect" -d 'Keep a backup from being deleted'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "unprotect" -d 'Let a protected backup be deleted again'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "accept" -d 'Call a backup good in spite of its problems'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "tag" -d 'Put words on a backup, to list or keep it by'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete backups, for good'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Delete the backups that no rule keeps, and free the room of what none needs'
complete -c dcs -n "__fish_dcs_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l kind -d 'Only backups of this kind: `latest` is the newest good one of it' -r
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l level -d 'How closely to look' -r -f -a "presence\t'Every part is there and has its size'
checksum\t'Every stored byte is what was stored'
contents\t'Every object and every dump unpacks to what it was'
restore\t'All of it restores, to a place that is removed afterwards'"
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l sample -d 'Look at a part of the packs only, and the objects in them: with `1/4`, four runs see all' -r
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand verify" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand verify" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand verify" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand verify" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand check" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand check" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand check" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand check" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand check" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand check" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand check" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand check" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand check" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand check" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand check" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand history" -l since -d 'Only runs that began then or later: `2026-11-20T02:00:00Z`, a date, or a time before now, as in `7d`' -r
complete -c dcs -n "__fish_dcs_using_subcommand history" -l until -d 'Only runs that began before: the same; a date means its beginning in UTC' -r
complete -c dcs -n "__fish_dcs_using_subcommand history" -l command -d 'Only this command: `"backup db"`, or `backup` for all that begin so' -r
complete -c dcs -n "__fish_dcs_using_subcommand history" -s n -l limit -d 'Show the newest so many; 0 for all' -r
complete -c dcs -n "__fish_dcs_using_subcommand history" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand history" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand history" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand history" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand history" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand history" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand history" -l failed -d 'Only runs that did not end with 0'
complete -c dcs -n "__fish_dcs_using_subcommand history" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand history" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand history" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand history" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand history" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -f -a "rebuild" -d 'Make the catalogue again, from the backup bucket'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and not __fish_seen_subcommand_from rebuild help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from rebuild" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "rebuild" -d 'Make the catalogue again, from the backup bucket'
complete -c dcs -n "__fish_dcs_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand status" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand status" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand status" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand status" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand status" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand status" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand status" -l check -d 'Tell of the objectives only, and end with exit code 30 where one is missed: for a monitor'
complete -c dcs -n "__fish_dcs_using_subcommand status" -l usage -d 'Tell also what each bucket of the stores holds: objects, bytes, the largest object; lists all of them'
complete -c dcs -n "__fish_dcs_using_subcommand status" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand status" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand status" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand status" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand status" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand doctor" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l at -d 'The newest good backup that ended by then: `2026-11-20T02:00:00Z`, or a date, which means its end in UTC' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l only -d 'Restore only this database of the backup; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l into -d 'Restore one database into a new one of this name on the same server, and touch nothing live' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l table -d 'With `--into`: bring the rows of this table only, without indexes and constraints; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l schema -d 'The same for the rows of this schema\'s tables only; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l undo -d 'Put back what a restore displaced, of these databases; without a name, all that the last restore displaced' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l run -d 'With `--undo`: what this run displaced, instead of what was displaced last; RUN as in NAME__before_RUN' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l store -d 'Where a store of the backup is now: `NAME=http://HOST:PORT` or `NAME=/FOLDER`; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l database -d 'Where a database of the backup is now: `NAME=postgres://USER@HOST/DB` or `NAME=sqlite:/FILE`; no passwords here' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l jobs -d 'Load so many tables, and make so many indexes, at once; spools the dump to `state_dir` first' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l in-place -d 'Replace rows of the live database, with `--data-only`; what was there is backed up first'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l data-only -d 'With `--into` or `--in-place`: bring rows only, into tables that are there'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l schema-only -d 'With `--into`: bring all definitions and no rows'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l no-owner -d 'Let everything belong to the role that restores, with no rights for others: roles of the backup are not needed'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l assume-space -d 'Do not look whether the PostgreSQL server has room'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l yes -d 'Do not ask'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand restore-db" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l at -d 'The newest good backup that ended by then: `2026-11-20T02:00:00Z`, or a date, which means its end in UTC' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l only -d 'Restore only this bucket of the backup (`live/books`), folder (`live/books/42/`) or object (`live/books/42/cover.jpg`); may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l prefix -d 'Restore only objects whose keys begin so' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l include -d 'Restore only objects whose keys fit: `*` within a segment, `**` across, `?` for one character; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l exclude -d 'Leave out objects whose keys fit; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l to -d 'Restore to another bucket, or a folder of one; or to a folder of this machine, below STORE/BUCKET/' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l store -d 'Where a store of the backup is now: `NAME=http://HOST:PORT` or `NAME=/FOLDER`; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l database -d 'Where a database of the backup is now: `NAME=postgres://USER@HOST/DB` or `NAME=sqlite:/FILE`; no passwords here' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l mirror -d 'Remove what is live and not in the backup, to the trash; with other options only what they select'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l skip-damaged -d 'Restore all the rest where something of the backup is missing or damaged; ends in 4 all the same'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l yes -d 'Do not ask'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand restore-files" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l at -d 'The newest good backup that ended by then: `2026-11-20T02:00:00Z`, or a date, which means its end in UTC' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l undo -d 'Take a complete restore back: that of this run, or the last one that is not undone' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l store -d 'Where a store of the backup is now: `NAME=http://HOST:PORT` or `NAME=/FOLDER`; may be given more than once' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l database -d 'Where a database of the backup is now: `NAME=postgres://USER@HOST/DB` or `NAME=sqlite:/FILE`; no passwords here' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l jobs -d 'Load so many tables, and make so many indexes, at once; spools the dump to `state_dir` first' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l config-to -d 'Unpack the configuration into this folder instead of ./dcs-restored-ID' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l skip-damaged -d 'Restore all the rest where something of the files is missing or damaged; ends in 4 all the same'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l no-owner -d 'Let everything belong to the role that restores, with no rights for others: roles of the backup are not needed'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l assume-space -d 'Do not look whether the PostgreSQL server has room'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l afresh -d 'Do everything anew, also what an interrupted run of the same restore has put in place already'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l yes -d 'Do not ask'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand restore-complete" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -f -a "print" -d 'Print a crontab, or services and timers of systemd, for what is configured'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and not __fish_seen_subcommand_from print help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l format -d 'For whom' -r -f -a "cron\t'A crontab for /etc/cron.d'
systemd\t'A service and a timer for each job'"
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l user -d 'The user to run as' -r
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l next -d 'Tell so many of the next runs of each job, in comments' -r
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l to -d 'Write the files into this folder, such as /etc/cron.d or /etc/systemd/system, instead of printing them' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from print" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from help" -f -a "print" -d 'Print a crontab, or services and timers of systemd, for what is configured'
complete -c dcs -n "__fish_dcs_using_subcommand schedule; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -f -a "show" -d 'Print what the configuration comes to, without secrets'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -f -a "check" -d 'Check the configuration, and that every store and database it names answers'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -f -a "example" -d 'Print an example configuration with every key explained'
complete -c dcs -n "__fish_dcs_using_subcommand config; and not __fish_seen_subcommand_from show check example help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l offline -d 'Check the file alone and connect to nothing'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from example" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print what the configuration comes to, without secrets'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check the configuration, and that every store and database it names answers'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "example" -d 'Print an example configuration with every key explained'
complete -c dcs -n "__fish_dcs_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand completions" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand completions" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand completions" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand completions" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand man" -l config -d 'Read the configuration from this file instead of ./dcs.toml or /etc/dcs/dcs.toml' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand man" -l repo -d 'Use the backup bucket at this URL or folder instead of the configured one; needs no configuration' -r
complete -c dcs -n "__fish_dcs_using_subcommand man" -l log-file -d 'Append a log of the run to this file' -r -F
complete -c dcs -n "__fish_dcs_using_subcommand man" -l log-format -d 'The form of the log file' -r -f -a "text\t''
json\t''"
complete -c dcs -n "__fish_dcs_using_subcommand man" -l color -d 'Whether to colour messages' -r -f -a "auto\t''
always\t''
never\t''"
complete -c dcs -n "__fish_dcs_using_subcommand man" -l lock-wait -d 'Wait this long for another run\'s lock, as in `30s`, `10m` or `2h`; not at all by default' -r
complete -c dcs -n "__fish_dcs_using_subcommand man" -l json -d 'Print the answer as one JSON document, and a final error as a JSON object on stderr'
complete -c dcs -n "__fish_dcs_using_subcommand man" -s q -l quiet -d 'Say nothing on success; warnings and errors are still printed'
complete -c dcs -n "__fish_dcs_using_subcommand man" -s v -l verbose -d 'Say more: once for what is done, twice for every request'
complete -c dcs -n "__fish_dcs_using_subcommand man" -l no-progress -d 'Show no progress bar on a terminal'
complete -c dcs -n "__fish_dcs_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dcs -n "__fish_dcs_using_subcommand man" -s V -l version -d 'Print version'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "delete" -d 'Move items to the trash'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "restore" -d 'Bring items back out of the trash'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "trash" -d 'Look into the trash, and empty it'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "init" -d 'Make the backup bucket a repository'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "backup" -d 'Make backups and look at them'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "verify" -d 'Prove that a backup is what it was when it was made'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "check" -d 'Compare the rows of all items with their folders and the trash'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "history" -d 'What was done, when, and what came of it'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "catalog" -d 'Look after the catalogue: what dcs keeps in `state_dir` to answer quickly'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "status" -d 'Tell whether all would survive a loss now, and what to do where it would not'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "doctor" -d 'Try what backups and restores will need, before they need it'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "restore-db" -d 'Bring databases back out of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "restore-files" -d 'Bring objects back out of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "restore-complete" -d 'Bring the whole system back: databases, files and configuration'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "schedule" -d 'What to run when, from the configuration'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "config" -d 'Look at the configuration'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "completions" -d 'Print the completions of a shell'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "man" -d 'Write the man pages into a folder'
complete -c dcs -n "__fish_dcs_using_subcommand help; and not __fish_seen_subcommand_from delete restore trash init backup verify check history catalog status doctor restore-db restore-files restore-complete schedule config completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "list" -d 'List what is in the trash, oldest first'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "show" -d 'Tell what an entry of the trash is: who, when, why, from where, how much'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "purge" -d 'Destroy what is in the trash, for good'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from trash" -f -a "adopt" -d 'Make an entry of a folder that others put into the trash bucket'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "db" -d 'Back up the databases'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "files" -d 'Back up the files: every object of the configured buckets'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "config" -d 'Back up the configuration: files, folders and what the capture commands print'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "complete" -d 'Back up the databases, the files and the configuration into one backup'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "list" -d 'List the backups, oldest first'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "show" -d 'Show what a backup holds, and what went wrong in it'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "ls" -d 'List the objects of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "cat" -d 'Print one object of a backup'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "diff" -d 'Show which objects two backups do not have in common'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "export" -d 'Write a backup as one ordinary .tar.gz'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "protect" -d 'Keep a backup from being deleted'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "unprotect" -d 'Let a protected backup be deleted again'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "accept" -d 'Call a backup good in spite of its problems'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "tag" -d 'Put words on a backup, to list or keep it by'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "delete" -d 'Delete backups, for good'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "prune" -d 'Delete the backups that no rule keeps, and free the room of what none needs'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from catalog" -f -a "rebuild" -d 'Make the catalogue again, from the backup bucket'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from schedule" -f -a "print" -d 'Print a crontab, or services and timers of systemd, for what is configured'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Print what the configuration comes to, without secrets'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Check the configuration, and that every store and database it names answers'
complete -c dcs -n "__fish_dcs_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "example" -d 'Print an example configuration with every key explained'
