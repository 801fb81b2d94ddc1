#!/bin/sh
# Prints the help that the Makefiles' comments are: "##@ title" begins a group, "## text" stands above the target or the
# variable that it describes. A variable's plain default is shown with it.
#
# usage: help.sh MAKEFILE...
set -eu
cat "$@" | awk '
    function add(group, name, text) {
        if (!(group in seen)) { seen[group] = 1; order[++n] = group }
        lines[group] = lines[group] sprintf("  %-22s %s\n", name, text)
    }
    /^##@ / { group = substr($0, 5); next }
    /^## / { text = substr($0, 4); next }
    # Between the text and what it describes only further comments may stand.
    /^#/ || /^\.PHONY/ { next }
    text != "" && /^ *[A-Z_]+ *[?:]?=/ {
        name = $1
        value = $0
        sub(/^[^=]*= */, "", value)
        add("Variables", value == "" || value ~ /\$/ ? name : name "=" value, text)
        text = ""
        next
    }
    text != "" && /^[a-z][a-z-]*( [a-z-]+)*:/ {
        name = $0
        sub(/:.*/, "", name)
        add(group, name, text)
        text = ""
        next
    }
    { text = "" }
    END {
        for (i = 1; i <= n; i++)
            if (order[i] != "Variables")
                printf "%s:\n%s\n", order[i], lines[order[i]]
        printf "Variables (make NAME=VALUE):\n%s", lines["Variables"]
    }'
