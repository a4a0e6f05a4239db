# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# common.sh - what the scripts share; to be read with ". scripts/common.sh" in
# the top directory of the source tree.
#
#   say TEXT...            a line of progress
#   die TEXT...            an error, and exit 1
#   need_packages PKG...   install those Debian packages that are missing
#   bootstrap              make ./configure if it is missing or out of date
#   no_environment         forget what asks something of the library or of git
#   jobs                   how many jobs make may run

# What building, testing and installing from a clone takes.
# shellcheck disable=SC2034 # used by the scripts that read this file
build_packages="autoconf automake libtool:libtoolize pkg-config:pkg-config make gcc g++
	libc6-dev check"

say()
{
	printf '==> %s\n' "$*"
}

die()
{
	printf '%s: error: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Is a package there?  PKG:COMMAND is also there if COMMAND is, whoever
# provides it.
have_package()
{
	case $1 in
	*:*) command -v "${1#*:}" >/dev/null 2>&1 && return 0 ;;
	esac
	dpkg-query -W -f '${Status}\n' "${1%%:*}" 2>/dev/null | grep -q 'install ok installed'
}

# How to become root, as a prefix in $as_root; false if there is no way.
find_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif ! command -v sudo >/dev/null 2>&1; then
		return 1
	elif sudo -n true 2>/dev/null; then
		as_root='sudo -n'
	elif [ -t 0 ]; then
		as_root=sudo # asks for the password
	else
		return 1
	fi
}

# Which of the packages are not there, in $missing.
find_missing()
{
	missing=
	for package; do
		have_package "$package" || missing="$missing ${package%%:*}"
	done
}

# Install them, or fail.
install_missing()
{
	say "installing packages:$missing"
	# shellcheck disable=SC2086 # lists of words
	{
		$as_root apt-get -qq update </dev/null || return
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
			--no-install-recommends $missing </dev/null >/dev/null || return
	}
}

need_packages()
{
	if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
		say "not a Debian system; taken as installed: $*"
		return 0
	fi
	find_missing "$@"
	[ -n "$missing" ] || return 0
	find_root || die "missing packages, and no way to become root:$missing
install them with: sudo apt-get install$missing"
	install_missing || die "apt-get could not install:$missing"
}

# Whether all that autogen.sh makes is there, as in a tarball.
is_made()
{
	[ -x configure ] && [ -f Makefile.in ] && [ -f config.h.in ]
}

bootstrap()
{
	if is_made && [ -z "$(find configure.ac m4 -newer configure)" ]; then
		return 0
	fi
	say 'making configure'
	./autogen.sh
}

# What the caller's environment asks of the library and of git is no concern of programs
# that are tried: git has the folder it is in, and none of the user's settings.
no_environment()
{
	# shellcheck disable=SC2046 # lists of names
	unset LD_PRELOAD $(env | sed -n 's/^\(MEMPOOL_[A-Z_]*\)=.*/\1/p') \
		$(git rev-parse --local-env-vars)
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
}

jobs()
{
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
}
