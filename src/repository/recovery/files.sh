REPO=.            # the fetched repository
OUT=./restored    # everything is written below this folder, into $OUT/files
WANTED=           # empty for everything, or what STORE/BUCKET/KEY begins with, percent-encoded
(
set -eu
LC_ALL=C; export LC_ALL
mkdir -p "$OUT"
mkdir "$OUT/files" "$OUT/other-keys"
awk '$2 ~ /^indexes\// { print $2 }' "$REPO/backups/@ID@/SHA256SUMS" |
while read -r segment; do gzip -dc "$REPO/$segment"; done |
WANTED=$WANTED awk -F '\t' '
  BEGIN { for (i = 0; i < 256; i++) octal[sprintf("%02X", i)] = sprintf("\\0%03o", i) }
  # As printf %b takes it.
  function decoded(text,   part, count, out, i) {
    count = split(text, part, "%"); out = part[1]
    for (i = 2; i <= count; i++) out = out octal[substr(part[i], 1, 2)] substr(part[i], 3)
    return out
  }
  # Whether each part between slashes can be the name of a file.
  function is_path(text,   part, count, escapes, i) {
    if (index(text, "%00")) return 0
    count = split(text, part, "/")
    for (i = 1; i <= count; i++) {
      if (part[i] == "" || part[i] == "." || part[i] == "..") return 0
      escapes = gsub(/%/, "%", part[i])
      if (length(part[i]) - 2 * escapes > 255) return 0
    }
    return count > 0
  }
  # Any key as a path: encoded, slashes too, cut after each 200 characters, with "=" at the end.
  function other(text,   out) {
    gsub("/", "%2F", text)
    while (length(text) > 200) { out = out substr(text, 1, 200) "/"; text = substr(text, 201) }
    return out text "="
  }
  substr($1 "/" $2, 1, length(ENVIRON["WANTED"])) != ENVIRON["WANTED"] { next }
  {
    path = $2; kind = "file"; mode = "-"
    posix = index($7, "%22posix%22%3A%7B%22kind%22%3A%22")
    if (posix) {
      facts = substr($7, posix)
      if (substr(facts, 34, 10) == "symlink%22") kind = "link"
      if (match(facts, /%22mode%22%3A[0-9]+/)) mode = sprintf("%o", substr(facts, RSTART + 13, RLENGTH - 13))
    }
    if (kind == "file" && $3 == 0 && path ~ /\/$/) { kind = "folder"; sub(/\/$/, "", path) }
    path = is_path(path) ? decoded($1 "/" path) : "-"
    print "open", kind, path, $1 "/" other($2)
    if (kind == "link") {
      target = substr(facts, index(facts, "%22target%22%3A%22") + 18)
      sub(/%22%7D%7D$/, "", target)
      print "link", index(target, "%5C") ? "-" : decoded(target)
      next
    }
    count = $8 == "-" ? 0 : split($8, piece, ","); packs = last = ""
    for (i = 1; i <= count; i++) {
      split(piece[i], at, ":")
      print "piece", at[1], at[2], at[3]
      if (at[1] != last) packs = packs " " at[1]
      last = at[1]
    }
    print "close", $6, mode, packs
  }' |
{
objects=0; errors=0
fail() { errors=$((errors + 1)); printf '%s: %s\n' "$1" "$path" >&2; }
# unpack PACK OFFSET LENGTH: adds the content of that piece.
unpack() {
  stem=${1%.zst}; file=$REPO/packs/${1%"${1#??}"}/$stem.tar
  if [ "$stem" = "$1" ]; then file=$file.gz program=gzip; else file=$file.zst program=zstd; fi
  tail -c "+$(($2 + 1))" "$file" | head -c "$3" |
    { "$program" -dc; head -c 1024 /dev/zero; } | tar xOf - >> "$path" || true
}
is_whole() { [ "$(sha256sum < "$path")" = "$1  -" ]; }
# replaced SHA256 PACK...: what later backups stored again because a pack was found damaged; maybe this one in turn.
replaced() {
  digest=$1; seen=; shift
  while [ $# -gt 0 ]; do
    damaged=$1; shift
    case " $seen " in *" $damaged "*) continue ;; esac
    seen="$seen $damaged"
    for list in $(cat "$REPO/damaged/${damaged%.zst}/"*.tsv 2> /dev/null |
      awk -F '\t' -v digest="$digest" '$1 == digest { print $3 }'); do
      true > "$path"
      echo "$list" | tr ',' '\n' | while IFS=: read -r pack offset length; do unpack "$pack" "$offset" "$length"; done
      ! is_whole "$digest" || return 0
      set -- "$@" $(echo "$list" | tr ',' '\n' | sed 's/:.*//')
    done
  done
  return 1
}
: > "$OUT/links"
while read -r step a b c; do
  case $step in
  open)
    objects=$((objects + 1)); kind=$a
    name=$b; path=$(printf '%b.' "$b"); path=$OUT/files/${path%.}
    folder=${path%/*}; [ "$kind" != folder ] || folder=$path
    if [ "$b" = - ] || ! mkdir -p "$folder" 2> /dev/null ||
      { [ "$kind" != folder ] && { [ -e "$path" ] || ! true 2> /dev/null > "$path"; }; }
    then
      name=-; kind='file'; path=$OUT/other-keys/$c; mkdir -p "${path%/*}"; true > "$path"
    fi ;;
  piece) unpack "$a" "$b" "$c" ;;
  close)
    # $c are names of packs, and apart.
    [ "$kind" = folder ] || is_whole "$a" || replaced "$a" $c || fail 'is not what was backed up'
    [ "$b" = - ] || [ "$name" = - ] || chmod "$b" "$path" || fail 'cannot be given its mode' ;;
  link)
    if [ "$a" = - ] || [ "$name" = - ]; then fail 'is a symbolic link that only dcs can restore'
    else printf '%s %s\n' "$a" "$name" >> "$OUT/links"
    fi ;;
  esac
done
# Last, so that nothing is ever written through a link.
while read -r target name; do
  path=$(printf '%b.' "$name"); path=$OUT/files/${path%.}; target=$(printf '%b.' "$target")
  { rm -f "$path" && ln -s -- "${target%.}" "$path"; } || fail 'cannot be linked'
done < "$OUT/links"
rm "$OUT/links"
echo "$objects objects restored, $errors errors"
[ "$errors" = 0 ] || exit 1
[ -n "$WANTED" ] || [ "$objects" = @OBJECTS@ ] || { echo 'the backup has @OBJECTS@ objects' >&2; exit 1; }
}
)
