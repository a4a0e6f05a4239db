# SPDX-License-Identifier: MIT
# mp_flags.m4 - questions to the compiler and the linker.

# MP_APPEND_FLAGS(LANGUAGE, VARIABLE, FLAGS)
# ------------------------------------------
# Append to VARIABLE each of FLAGS that the compiler of LANGUAGE, C or C++,
# accepts without a warning.
AC_DEFUN([MP_APPEND_FLAGS],
[AC_LANG_PUSH([$1])
for mp_flag in $3; do
  AS_VAR_PUSHDEF([mp_cache], [mp_cv_[]m4_if([$1], [C], [c], [cxx])_flag_$mp_flag])dnl
  AC_CACHE_CHECK([whether $[]m4_if([$1], [C], [CC], [CXX]) accepts $mp_flag], [mp_cache],
    [mp_saved_flags=$[]m4_if([$1], [C], [CFLAGS], [CXXFLAGS])
     m4_if([$1], [C], [CFLAGS], [CXXFLAGS])="$mp_saved_flags -Werror $mp_flag"
     AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
       [AS_VAR_SET([mp_cache], [yes])], [AS_VAR_SET([mp_cache], [no])])
     m4_if([$1], [C], [CFLAGS], [CXXFLAGS])=$mp_saved_flags])
  AS_VAR_IF([mp_cache], [yes], [AS_VAR_APPEND([$2], [" $mp_flag"])])
  AS_VAR_POPDEF([mp_cache])dnl
done
AC_LANG_POP([$1])])

# MP_CHECK_LINK(DESCRIPTION, CACHE-ID, FLAGS, [PROGRAM], [IF-YES], [IF-NO])
# ------------------------------------------------------------------------
# Whether a link with FLAGS works, warnings of the linker being errors.
AC_DEFUN([MP_CHECK_LINK],
[AC_CACHE_CHECK([$1], [mp_cv_$2],
  [mp_saved_ldflags=$LDFLAGS
   mp_saved_c_werror=$ac_c_werror_flag
   ac_c_werror_flag=yes
   LDFLAGS="$LDFLAGS $3"
   AC_LINK_IFELSE([m4_default([$4], [AC_LANG_PROGRAM([], [])])],
     [mp_cv_$2=yes], [mp_cv_$2=no])
   ac_c_werror_flag=$mp_saved_c_werror
   LDFLAGS=$mp_saved_ldflags])
AS_VAR_IF([mp_cv_$2], [yes], [$5], [$6])])
