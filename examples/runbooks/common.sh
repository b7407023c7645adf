# What the runbooks share; each reads it from the folder it lies in, so keep the folder together.
#
# A runbook stops at the first thing that fails, and says at which step and with which exit code. What was done until then
# stays; run it again when the cause is mended: dcs goes on where it was, and what is done already costs little.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C.UTF-8

yes=
step_number=0
step_text='reading the options'

dcs() { "${DCS_BIN:-dcs}" "$@"; }

# The comment at the head of the runbook is its manual.
usage() { sed -n -e '1d' -e '/^# shellcheck/d' -e '/^#/!q' -e 's/^#\( \|$\)//p' "$0"; }
wrong_usage() {
    printf '%s: %s\n\n' "${0##*/}" "$*" >&2
    usage >&2
    trap - EXIT
    exit 2
}

say() { printf '%s\n' "$*" >&2; }
step() {
    step_number=$((step_number + 1))
    step_text=$*
    printf '\n== %d. %s\n' "$step_number" "$step_text" >&2
}
# refuse TEXT...: nothing was changed, and nothing will be
refuse() {
    say "${0##*/}: $*"
    exit 5
}

# ask QUESTION: goes on with a yes only. --yes answers; without a terminal to ask on it is a no.
ask() {
    local answer
    [[ -z $yes ]] || return 0
    [[ -t 0 ]] || refuse "$1 There is no terminal to ask on: look at what is shown above, and run it with --yes."
    read -r -p "$1 [yes/no] " answer
    [[ $answer == yes ]] || refuse 'not confirmed; nothing was changed since.'
}

# Runs a command, and prints it first: what was done on the worst day should be in the scrollback.
run() {
    printf '$' >&2
    printf ' %q' "$@" >&2
    printf '\n' >&2
    "$@"
}

finish() {
    local code=$?
    trap - EXIT
    if ((code == 0)); then
        say "
Done in $SECONDS s. Write it down: it is what this disaster takes."
    else
        say "
STOPPED after $SECONDS s at step $step_number, $step_text: exit code $code (dcs(1) lists the codes)."
        say 'The steps before it are done, the ones after it are not. Mend what is said above, and run this again.'
    fi
    exit "$code"
}
trap finish EXIT
