#!/bin/sh
# Checks that every relative link in the Markdown files leads to a file of the project, and that headings
# that links name exist.
set -eu
cd "$(dirname "$0")/.."

# One line per link: the file it stands in, a tab, where it leads.
links() {
    for file in $(git ls-files '*.md'); do
        grep -o '](\([^) ]*\)' "$file" | sed "s|^](|$file\t|" || :
    done
}

# The anchors of a file's headings, one a line.
anchors() {
    sed -n 's/^#\{1,6\} //p' "$1" | sed 's/[A-Z]/\L&/g; s/[^[:alnum:] _-]//g; s/ /-/g'
}

tab=$(printf '\t')
wrong=$(links | while IFS=$tab read -r file link; do
    case $link in
    http://* | https://* | mailto:*) continue ;;
    '#'*) target=$file ;;
    *) target=$(dirname "$file")/${link%%#*} ;;
    esac
    if [ ! -e "$target" ]; then
        echo "$file: no such file: $link"
    elif [ "$link" != "${link#*#}" ] && ! anchors "$target" | grep -qxF -- "${link#*#}"; then
        echo "$file: no such heading: $link"
    fi
done)
[ -z "$wrong" ] || { echo "$wrong" >&2; exit 1; }
