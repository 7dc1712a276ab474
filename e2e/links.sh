#!/bin/sh
# Checks that every relative link in the Markdown files leads to a file of the project, and that headings
# that links name exist.
set -eu
cd "$(dirname "$0")/.."

bad=0
for file in $(git ls-files '*.md'); do
    dir=$(dirname "$file")
    for link in $(grep -o '](\([^)]*\))' "$file" | sed 's/^](//; s/)$//; s/ .*//'); do
        case $link in
        http://* | https://* | mailto:*) continue ;;
        '#'*) target=$file anchor=${link#\#} ;;
        *'#'*) target=$dir/${link%%#*} anchor=${link#*#} ;;
        *) target=$dir/$link anchor= ;;
        esac
        if [ ! -e "$target" ]; then
            echo "$file: no such file: $link" >&2
            bad=1
        elif [ -n "$anchor" ] && ! sed -n 's/^#\{1,6\} //p' "$target" |
            sed 's/[A-Z]/\L&/g; s/[^[:alnum:] _-]//g; s/ /-/g' | grep -qxF -- "$anchor"; then
            echo "$file: no such heading: $link" >&2
            bad=1
        fi
    done
done
exit $bad
