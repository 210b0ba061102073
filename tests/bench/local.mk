# measurements: built with the tests, run by hand
check_PROGRAMS += %D%/pingpong
%C%_pingpong_SOURCES = %D%/pingpong.c
EXTRA_DIST += %D%/syscalls
