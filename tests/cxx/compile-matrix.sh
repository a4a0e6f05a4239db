#!/bin/sh
# SPDX-License-Identifier: MIT
#
# compile-matrix.sh - compile mempool.hpp alone with every C++ compiler there is, for every
# standard from C++11 that it knows, with exceptions and run-time type information on and off,
# all warnings being errors.
#
# Run by make check in the build directory, with srcdir, CXX and CPPFLAGS set.  The
# compilers are $CXX, g++ and clang++, the last also with -stdlib=libc++ where that works; with
# ONLY_CXX set $CXX alone.
# Fails if anything does not compile, and if there is no compiler.
set -u

srcdir=${srcdir:-.}
CPPFLAGS=${CPPFLAGS:--I$srcdir/include -Iinclude}
source=$srcdir/tests/cxx/header.cpp
warnings='-Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wundef -Wold-style-cast
	-Woverloaded-virtual -Wnon-virtual-dtor -Wmissing-declarations -pedantic -Werror'
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
echo 'int main() { return 0; }' >"$tmp/nothing.cpp"
echo '#include <memory>' >"$tmp/library.cpp"
compiled=0
failed=0

# Whether a compiler takes these options, and has a C++ library.  Usage: works FILE COMMAND...
works()
{
	file=$1
	shift
	"$@" -Werror -c -o "$tmp/out.o" "$tmp/$file.cpp" >"$tmp/log" 2>&1
}

# Compile the header; usage: compile COMMAND...
compile()
{
	# shellcheck disable=SC2086 # lists of words
	if "$@" $warnings $CPPFLAGS -c -o "$tmp/out.o" "$source" >"$tmp/log" 2>&1; then
		compiled=$((compiled + 1))
	else
		echo "failed: $* $source"
		cat "$tmp/log"
		failed=$((failed + 1))
	fi
}

# All standards with one compiler; usage: try COMMAND...
try()
{
	standards=
	for standard in 11 14 17 20 23; do
		option=-std=c++$standard
		if ! works nothing "$@" "$option"; then
			# what compilers called C++20 and C++23 before there were such
			case $standard in
			20) option=-std=c++2a ;;
			23) option=-std=c++2b ;;
			esac
			works nothing "$@" "$option" || continue
		fi
		standards="$standards $standard"
		compile "$@" "$option"
		compile "$@" "$option" -O2
		compile "$@" "$option" -fno-exceptions -fno-rtti
	done
	echo "$*: C++$standards"
	case $standards in
	' 11'*) ;;
	*)
		echo "failed: $* does not know C++11"
		failed=$((failed + 1))
		;;
	esac
}

tried=' '
# shellcheck disable=SC2086 # $CXX may have options
for compiler in "${CXX:-c++}" g++ clang++; do
	case $tried in
	*" $compiler "*) continue ;;
	esac
	tried="$tried$compiler "
	[ -z "${ONLY_CXX:-}" ] || [ "$compiler" = "$CXX" ] || continue
	command -v ${compiler%% *} >/dev/null 2>&1 || continue
	if ! works library $compiler -std=c++11; then
		echo "$compiler: left out, it does not compile <memory>"
		continue
	fi
	try $compiler
	if [ "$compiler" = clang++ ] && works library clang++ -std=c++11 -stdlib=libc++; then
		try clang++ -stdlib=libc++
	fi
done

echo "$compiled compiled, $failed failed"
if [ $((compiled + failed)) -eq 0 ]; then
	echo 'failed: no C++ compiler was found'
	exit 1
fi
[ "$failed" -eq 0 ]
