#!/bin/sh
# SPDX-License-Identifier: MIT
# autogen.sh - make configure from configure.ac, after a fresh clone.
set -eu
unset CDPATH
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all,no-obsolete "$@"
