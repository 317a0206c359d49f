#!/bin/sh
# Installs elbws-proxy with its configuration and unit and has it serve; goes back to what ran before if it does not.
# Written by elbws. It may be run again: where everything is in place it changes nothing.
set -eu
umask 022

sha256='@SHA256@'
source='@SOURCE@'
health='@HEALTH@'
name=elbws-proxy
binary=/usr/local/bin/$name
config=/etc/elbws/proxy.yaml
unit=/etc/systemd/system/$name.service

say() { printf 'elbws: %s\n' "$1"; }
die() {
    printf 'elbws: %s\n' "$1" >&2
    exit 1
}

hash_of() { sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1; }

# Which file it is on the disk, whatever its name.
identity_of() { stat -L -c %d:%i "$1" 2>/dev/null || printf 'none: %s' "$1"; }

fetch() {
    case $source in
    s3://*)
        command -v aws >/dev/null || die 'the AWS CLI is needed to read from S3'
        aws s3 cp --only-show-errors "$source" "$1"
        ;;
    *)
        if command -v curl >/dev/null; then
            curl --fail --silent --show-error --location --retry 5 --connect-timeout 10 --output "$1" "$source"
        elif command -v wget >/dev/null; then
            wget --quiet --tries=5 --timeout=10 --output-document="$1" "$source"
        else
            die 'curl or wget is needed'
        fi
        ;;
    esac
}

answers() {
    if command -v curl >/dev/null; then
        curl --fail --silent --max-time 2 --output /dev/null "$health"
    else
        wget --quiet --tries=1 --timeout=2 --output-document=/dev/null "$health"
    fi
}

# Whether the binary that is in place serves: an old process may answer while a new one is still coming up.
serves() {
    pid=$(systemctl show --property=MainPID --value "$name")
    [ "${pid:-0}" -gt 0 ] && [ "$(identity_of "/proc/$pid/exe")" = "$(identity_of "$binary")" ] && answers
}

await() {
    tries=0
    until serves; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || return 1
        sleep 1
    done
}

# What a running proxy cannot change.
fixed() { grep -E '^(listen|health|metrics|workers|access_log|access_log_format): ' "$1" 2>/dev/null || true; }

# Keeps what is there, and puts the new file in its place in one step.
place() {
    rm -f "$2.previous"
    [ ! -e "$2" ] || cp -p "$2" "$2.previous"
    mv -f "$1" "$2"
}

back() {
    if [ -e "$1.previous" ]; then mv -f "$1.previous" "$1"; else rm -f "$1"; fi
}

[ "$(id -u)" -eq 0 ] || die 'only root can install the proxy'
command -v systemctl >/dev/null || die 'systemd is needed'
mkdir -p /usr/local/bin /etc/elbws /etc/systemd/system
# One at a time: an elbws that was killed leaves its script at work.
exec 9>/run/elbws-install.lock
if command -v flock >/dev/null; then
    flock -w 300 9 || die 'another installation has not come to its end in five minutes; nothing was changed'
fi
# On the file systems that the files are moved to.
stage=$(mktemp -d /usr/local/bin/.elbws.XXXXXX)
trap 'rm -rf "$stage"' EXIT

cat >"$stage/proxy.yaml" <<'END OF CONFIGURATION'
@CONFIG@END OF CONFIGURATION
cat >"$stage/unit" <<'END OF UNIT'
@UNIT@END OF UNIT

if [ "$(hash_of "$binary")" = "$sha256" ]; then
    cp -p "$binary" "$stage/$name"
else
    fetch "$stage/$name" || die "$name cannot be fetched"
    found=$(hash_of "$stage/$name")
    [ "$found" = "$sha256" ] || die "$name has the SHA-256 $found, expected was $sha256"
    chmod 755 "$stage/$name"
fi
"$stage/$name" --check --config "$stage/proxy.yaml" ||
    die "$name refuses its configuration, or is not made for $(uname -m); nothing was changed"

if [ "$(hash_of "$binary")" = "$sha256" ] && cmp -s "$stage/proxy.yaml" "$config" &&
    cmp -s "$stage/unit" "$unit" && systemctl is-active --quiet "$name" && serves; then
    say 'already installed and serving'
    exit 0
fi

how=reload
systemctl is-active --quiet "$name" || how=start
if [ "$how" = reload ] && [ "$(fixed "$stage/proxy.yaml")" != "$(fixed "$config")" ]; then how=restart; fi
before=$(hash_of "$binary")
# The same file is left where it is: another one at its path would be handed over to.
[ "$before" = "$sha256" ] || place "$stage/$name" "$binary"
place "$stage/proxy.yaml" "$config"
place "$stage/unit" "$unit"
systemctl daemon-reload
systemctl enable --quiet "$name"
if systemctl "$how" "$name" && await; then
    say "installed and serving ($how)"
    exit 0
fi

printf 'elbws: %s does not serve; its last words:\n' "$name" >&2
journalctl --unit "$name" --lines 20 --no-pager >&2 || true
[ "$before" = "$sha256" ] || back "$binary"
back "$config"
back "$unit"
systemctl daemon-reload
[ -n "$before" ] || {
    systemctl disable --quiet "$name" || true
    systemctl stop "$name" || true
    die 'nothing ran before, so it was taken away again'
}
systemctl reset-failed "$name" || true
if [ "$how" = reload ] && systemctl is-active --quiet "$name"; then
    systemctl reload "$name" || true
else
    systemctl restart "$name" || true
fi
if await; then
    die 'went back to the previous version, which serves'
fi
die 'went back to the previous version, which does not serve either'
