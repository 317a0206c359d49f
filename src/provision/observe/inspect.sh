# What this instance has of elbws-proxy, a word and its value a line. It changes nothing.
name=elbws-proxy
config=/etc/elbws/proxy.yaml
hash_of() { sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1; }
say() { [ -z "$2" ] || printf '%s %s\n' "$1" "$2"; }

say program "$(hash_of "/usr/local/bin/$name")"
say config "$(hash_of "$config")"
say unit "$(hash_of "/etc/systemd/system/$name.service")"
if [ -r "$config" ]; then
    say fixed "$(grep -E '^(listen|health|metrics|workers|access_log|access_log_format): ' "$config" | sha256sum | cut -d ' ' -f 1)"
    say accept "$(sed -n 's/^accept: //p' "$config")"
    say optional "$(sed -n 's/^header_optional_until: //p' "$config")"
fi
pid=$(systemctl show --property=MainPID --value "$name" 2>/dev/null)
if [ "${pid:-0}" -gt 0 ]; then
    say running "$(hash_of "/proc/$pid/exe")"
    status='@STATUS@'
    if [ -n "$status" ]; then
        if command -v curl >/dev/null; then
            text=$(curl --fail --silent --max-time 2 "$status")
        else
            text=$(wget --quiet --tries=1 --timeout=2 --output-document=- "$status")
        fi
        # The object that says which configuration was read.
        say loaded "$(printf '%s' "$text" | tr -d ' \n' |
            sed -n 's/.*"configuration":{\([^}]*\)}.*/\1/p' | sed -n 's/.*"sha256":"\([0-9a-f]*\)".*/\1/p')"
    fi
fi
exit 0
