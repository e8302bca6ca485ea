#!/bin/sh
# Turns the container's arguments into a command, as the images registry:2 and registry:3 do: the
# path of a configuration is served, the name or an option of `registry` goes to it, anything else
# is run as it stands.
set -eu

# What someone mounts over tells which of the two generations they were used to.
V2=/etc/docker/registry/config.yml
V3=/etc/distribution/config.yml
SHIPPED=/app/etc # untouched copies of both

# as_shipped PATH: nobody has put another file there. Without cmp, nothing is known to be as shipped.
as_shipped() {
    cmp -s "$1" "$SHIPPED/${1#/etc/}"
}

# configuration PATH: the file to read when PATH was asked for. The image asks for V2 on its own, and
# a configuration mounted at V3 must not be left unread: it may say who is let in.
configuration() {
    if [ "$1" = "$V2" ] && [ -e "$V3" ] && as_shipped "$V2" && ! as_shipped "$V3"; then
        printf '%s\n' "$V3"
    else
        printf '%s\n' "$1"
    fi
}

# What the container's first process was told to serve, empty when it was not told a file.
served() {
    { tr '\0' '\n' </proc/1/cmdline | grep -E '\.ya?ml$' | tail -n 1; } 2>/dev/null || true
}

[ "$#" -gt 0 ] || set -- "$V2"

case $1 in
    *.yaml | *.yml)
        path=$(configuration "$1")
        [ "$path" = "$1" ] || echo "entrypoint: serving $path, as $1 was not changed" >&2
        shift
        set -- registry serve "$path" "$@"
        ;;
    health)
        path=
        [ "$#" -gt 1 ] || path=$(served)
        if [ -n "$path" ]; then
            path=$(configuration "$path")
            [ ! -e "$path" ] || set -- health --config "$path"
        fi
        set -- registry "$@"
        ;;
    serve | garbage-collect | demo | help | version | -*)
        set -- registry "$@"
        ;;
esac

exec "$@"
