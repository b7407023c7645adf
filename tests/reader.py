#!/usr/bin/env python3
"""Restores the objects of a backup without dcs. Written from man/dcs-repository.7 alone, as a proof of that page.

    reader.py REPOSITORY ID OUT

REPOSITORY is a folder with a copy of the repository. An object becomes the file OUT/STORE/BUCKET/NAME=, where NAME is
its key percent-encoded, slashes too, cut into folders after each 200 characters. Dumps and other artefacts lie in
OUT/artefacts. What is damaged is named, the rest is restored, and the exit code is 1 then.
"""
import glob, gzip, hashlib, io, itertools, json, os, re, subprocess, sys, tarfile, zlib
from urllib.parse import quote, unquote_to_bytes

PACK = re.compile(r"([0-9a-z]{8,})(\.zst)?")
BROKEN = (OSError, EOFError, ValueError, zlib.error, tarfile.TarError, subprocess.SubprocessError)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def decode(text):
    return unquote_to_bytes(text).decode("utf-8")


def require(is_so, reason):
    if not is_so:
        raise ValueError(reason)


def decompress(content, name):
    if name.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq"], input=content, capture_output=True, check=True).stdout
    return gzip.decompress(content) if name.endswith(".gz") else content


def read(repository, part):
    with open(os.path.join(repository, part["path"]), "rb") as file:
        content = file.read()
    require(sha256(content) == part["sha256"] and len(content) == part["size"], part["path"] + " is damaged")
    return content


def open_backup(repository, backup):
    for path in ["repository.json", f"backups/{backup}/manifest.json"]:
        with open(os.path.join(repository, path), "rb") as file:
            content = file.read()
        require(json.loads(content)["format"] == 1, path + " has another format")
    with open(f"{repository}/backups/{backup}/SHA256SUMS") as file:
        require(f"{sha256(content)}  {path}\n" in file.readlines(), path + " is damaged")
    return json.loads(content)


def rows(repository, segments):
    last = None
    for segment in segments:
        lines = gzip.decompress(read(repository, segment)).decode("ascii").split("\n")[:-1]
        require(len(lines) == segment["rows"], segment["path"] + " has lost rows")
        for line in lines:
            source, key, size, _, _, digest, metadata, pieces = line.split("\t")
            order = (source.encode(), unquote_to_bytes(key))
            require(last is None or last < order, "the index is out of order")
            last = order
            attributes = {} if metadata == "-" else json.loads(decode(metadata))
            yield source, decode(key), int(size), digest, attributes, pieces


def piece_content(repository, piece):
    name, offset, length = piece.split(":")
    match = PACK.fullmatch(name)
    require(match, name + " is no pack")
    stem, zst = match.groups()
    path = f"packs/{stem[:2]}/{stem}.tar{zst or '.gz'}"
    with open(os.path.join(repository, path), "rb") as file:
        file.seek(int(offset))
        content = file.read(int(length))
    require(len(content) == int(length), path + " is too short")
    with tarfile.open(fileobj=io.BytesIO(decompress(content, path)), mode="r:") as archive:
        return archive.extractfile(archive.next()).read()


def write_content(repository, pieces, path, size, digest):
    hasher, written = hashlib.sha256(), 0
    with open(path, "wb") as file:
        for piece in [] if pieces == "-" else pieces.split(","):
            content = piece_content(repository, piece)
            hasher.update(content)
            written += file.write(content)
    require((hasher.hexdigest(), written) == (digest, size), "its content is not what was backed up")


def packs(pieces):
    return [PACK.fullmatch(piece.split(":")[0])[1] for piece in pieces.split(",") if piece != "-"]


def replacements(repository, pieces, digest):
    seen, waiting = set(), packs(pieces)
    for pack in waiting:
        if pack in seen:
            continue
        seen.add(pack)
        for path in sorted(glob.glob(os.path.join(glob.escape(repository), "damaged", pack, "*.tsv"))):
            with open(path) as file:
                lines = [line.rstrip("\n").split("\t") for line in file]
            for again in [line[2] for line in lines if line[0] == digest]:
                yield again
                waiting.extend(packs(again))


def restore(repository, row, path):
    _, _, size, digest, attributes, pieces = row
    posix = attributes.get("posix", {})
    os.makedirs(path if posix.get("kind") == "folder" else os.path.dirname(path), exist_ok=True)
    if posix.get("kind") == "symlink":
        return os.symlink(posix["target"], path)
    if posix.get("kind") != "folder":
        failure = None
        for tried in itertools.chain([pieces], replacements(repository, pieces, digest)):
            try:
                write_content(repository, tried, path, size, digest)
                failure = None
                break
            except BROKEN as error:
                failure = failure or error
        if failure:
            raise failure
    if posix:
        os.chmod(path, posix["mode"])
        os.utime(path, ns=(posix["mtime-nanoseconds"], posix["mtime-nanoseconds"]))


def artefacts(manifest):
    for database in manifest.get("databases", []):
        yield from (database[name] for name in ["dump", "properties", "globals"] if name in database)
    if "config" in manifest:
        yield manifest["config"]["archive"]


def main(repository, backup, out):
    manifest, damaged = open_backup(repository, backup), 0
    os.makedirs(f"{out}/artefacts")
    for artefact in artefacts(manifest):
        path = artefact["parts"][0]["path"]
        content = decompress(b"".join(read(repository, part) for part in artefact["parts"]), path)
        require(sha256(content) == artefact["raw_sha256"] and len(content) == artefact["raw_size"], path)
        with open(f"{out}/artefacts/{os.path.basename(path)}", "wb") as file:
            file.write(content)
    for row in rows(repository, manifest.get("files", {}).get("segments", [])):
        name = quote(row[1], safe="")
        path = "/".join([out, row[0], *re.findall(".{1,200}", name)]) + "="
        try:
            restore(repository, row, path)
        except BROKEN as error:
            print(f"{row[0]}/{row[1]!r}: {error}", file=sys.stderr)
            damaged += 1
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
