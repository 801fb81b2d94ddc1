#!/bin/sh
# Buildroot runs this with the target directory: the directory for decisions is there from the first boot, and on a
# read-only root file system it can be mounted over.
set -eu
mkdir -p "$1/var/lib/vhotplug"
