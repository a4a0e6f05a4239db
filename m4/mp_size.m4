# SPDX-License-Identifier: MIT
# mp_size.m4 - configure switches that take a size.

# MP_ARG_SIZE(SWITCH, VARIABLE, DEFAULT, HELP)
# --------------------------------------------
# --with-SWITCH=SIZE into VARIABLE, in bytes.  SIZE is a decimal number, with K
# or M (also KiB, MiB) for 1024 and 1048576.  It must be a power of two.
AC_DEFUN([MP_ARG_SIZE],
[AC_ARG_WITH([$1],
  [AS_HELP_STRING([--with-$1=SIZE], [$4 @<:@$3@:>@])],
  [mp_text=$withval], [mp_text=$3])
AS_CASE([$mp_text],
  [*@<:@kK@:>@], [mp_number=${mp_text%?} mp_unit=1024],
  [*@<:@mM@:>@], [mp_number=${mp_text%?} mp_unit=1048576],
  [*KiB], [mp_number=${mp_text%KiB} mp_unit=1024],
  [*MiB], [mp_number=${mp_text%MiB} mp_unit=1048576],
  [mp_number=$mp_text mp_unit=1])
AS_CASE([$mp_number],
  [''|*@<:@!0-9@:>@*|0*|????????*],
  [AC_MSG_ERROR([--with-$1=$mp_text: not a size: write a number of bytes such as 4096, or 16K, or 1M])])
$2=`expr $mp_number \* $mp_unit`
mp_rest=$$2
while test `expr $mp_rest % 2` -eq 0; do
  mp_rest=`expr $mp_rest / 2`
done
AS_IF([test $mp_rest -ne 1],
  [AC_MSG_ERROR([--with-$1=$mp_text: $$2 is not a power of two])])
AC_SUBST([$2])])
